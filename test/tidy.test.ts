// The rules of the project that no compiler knows: who may import whom, where a package has its
// home, what is banned where. `findings` is a function of the files' text, so that the last suite
// can show every rule a file that breaks it.

import { expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';

type Files = Map<string, string>;
type Import = { line: number; target: string; typeOnly: boolean };
type Rule = (file: string, source: ts.SourceFile, imports: Import[]) => string[];

// First match wins. `values` may be imported freely, of `types` only the types; a file may always
// import what lies in its own folder, `only` that matters here.
const layers: { files: RegExp; values: RegExp; types?: RegExp; says: string }[] = [
  { files: /^src\/store\//, values: /^src\/store\//, says: 'src/store only' },
  {
    files: /^src\/transport\//,
    values: /^src\/(transport\/|store\/(base64x64|block-copier|careful-value|frame-reader|frame-writer|stamp)\.ts$)/,
    types: /^src\/store\//,
    says: 'src/transport, the encodings and stamp.ts of src/store, and its types',
  },
  {
    files: /^src\/disk\//,
    values: /^src\/disk\//,
    types: /^src\/store\//,
    says: 'src/disk and the types of src/store',
  },
  {
    files: /^src\/actors\/runtime\//,
    values: /^src\/actors\/runtime\//,
    says: 'src/actors/runtime only',
  },
  {
    files: /^src\/actors\//,
    values: /^src\/(actors|store)\/|^src\/transport\/(message|link|link-url|close)\.ts$/,
    types: /^src\/(transport|disk)\//,
    says: 'src/actors, src/store, transport/{message,link,link-url,close}.ts, other types of transport and disk',
  },
  {
    files: /^src\/client\//,
    values: /^src\/(client|store)\/|^src\/transport\/(?!listen|dial|memory)/,
    types: /^src\/transport\//,
    says: 'src/client, src/store and the codecs of src/transport',
  },
  { files: /^src\/testing\//, values: /^src\/(?!cli\/)/, says: 'anything but src/cli' },
  { files: /^src\//, values: /^src\//, says: 'src' },
];

const cliHome = /^src\/(cli\/|node\.ts$)/;
const homes: Record<string, RegExp> = {
  'uWebSockets.js': /^src\/transport\/listen-uws\.ts$/,
  ws: /^src\/(transport\/(listen-ws|dial)|client\/socket-node)\.ts$/,
  msgpackr: /^src\/transport\/msgpack\.ts$/,
  'lru-cache': /^src\/store\/latest-stamps\.ts$/,
  idb: /^src\/client\/storage\/indexeddb\.ts$/,
  yjs: /^src\/store\/types\/text\.ts$/,
  lmdb: /^src\/disk\/lmdb-environment\.ts$/,
  xstate: /^src\/actors\/runtime\/machine\.ts$/,
  ...Object.fromEntries(
    'pino zod commander yaml cli-progress cli-table3 picocolors'.split(' ').map((name) => [name, cliHome]),
  ),
};

const pureFiles = /^src\/(store|actors)\/(?!runtime\/env-node\.ts$)/;
const impure =
  /^(Date|performance|crypto|setTimeout|setInterval|setImmediate|queueMicrotask|globalThis|Math\.random|process\.(nextTick|hrtime|env))$/;
const bannedText: [RegExp, string, string][] = [
  [/\b([T]ODO|[F]IXME)\b/, 'an open end', 'an issue'],
  [/\.only\(/, 'a test that silences the others', 'jest -t'],
  [/\bconsole\.\w/, 'the console', "the log, or process.stdout in the command's own files"],
];
const bannedName = /(^|-)(utils?|helpers?|commons?|types|managers?|services?|handlers?|impl)(?=[-.]|$)/;
const absolutePath = /(?<![\w.*])\/(?:work|root)(?=[/\s'"`]|$)/;

const rules: Record<string, Rule> = {
  'a folder imports only what its layer names': (file, _source, imports) => {
    const layer = layers.find(({ files }) => files.test(file));
    return imports
      .filter(({ target }) => target.startsWith('src/') || target.startsWith('test/'))
      .filter(({ target, typeOnly }) => {
        const allowed = layer?.values.test(target) || (typeOnly && layer?.types?.test(target));
        return layer !== undefined && !allowed;
      })
      .map(({ line, target }) => `${file}:${line}: ${target} is banned, use ${layer?.says}`);
  },
  'a package has one home': (file, _source, imports) =>
    imports
      .filter(({ target }) => file.startsWith('src/') && !/^(src|test|node:)/.test(target))
      .filter(({ target }) => !homes[packageOf(target)]?.test(file))
      .map(({ line, target }) => {
        const home = homes[packageOf(target)]?.source.replaceAll('\\', '');
        const advice = home ?? 'what is there, or give it a home in test/tidy.test.ts';
        return `${file}:${line}: package ${target} is banned, use ${advice}`;
      }),
  'store and actors have no clock, chance or I/O': (file, source, imports) => {
    if (!pureFiles.test(file)) return [];
    const found = imports
      .filter(({ target }) => /^node:(?!assert)/.test(target))
      .map(({ line, target }) => `${file}:${line}: ${target} is banned, use Env`);
    walk(source, (node) => {
      const name = ts.isPropertyAccessExpression(node) ? node.getText(source) : globalName(node);
      if (name !== undefined && impure.test(name) && !isDateOfTime(node))
        found.push(`${file}:${lineOf(source, node)}: ${name} is banned, use Env`);
      if (file.startsWith('src/store/') && ts.isAwaitExpression(node))
        found.push(`${file}:${lineOf(source, node)}: await is banned, use plain calls`);
    });
    return found;
  },
  'no left-overs': (file, source) =>
    source.text
      .split('\n')
      .flatMap((text, i) =>
        bannedText
          .filter(([pattern]) => pattern.test(text))
          .map(([, what, instead]) => `${file}:${i + 1}: ${what} is banned, use ${instead}`),
      ),
  'file names say something': (file) => {
    const name = bannedName.exec(posix.basename(file).replace('types.check', ''))?.[2];
    return name === undefined ? [] : [`${file}:1: the name '${name}' is banned, use what it does`];
  },
};

/** Everything wrong with the given files, each as `file:line: X is banned, use Y`. */
function findings(files: Files, entries: string[]): string[] {
  const graph = new Map<string, Import[]>();
  const found: string[] = [];
  for (const [file, text] of files) {
    const lines = text.split('\n');
    for (const [i, line] of lines.entries())
      if (absolutePath.test(line)) found.push(`${file}:${i + 1}: an absolute path is banned, use a relative one`);
    if (file.endsWith('.md')) {
      const titles = text.replace(/^```.*?^```/gms, '').match(/^# /gm)?.length ?? 0;
      if (titles !== 1) found.push(`${file}:1: ${titles} titles is banned, use exactly one #`);
    }
    if (file === 'package-lock.json' && /"resolved": "http/.test(text))
      found.push(`${file}:1: a download address is banned, use .npmrc as it is`);
    if (!/^(src|test)\/.*\.ts$/.test(file)) continue;
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const imports = importsOf(file, source);
    if (file.startsWith('src/')) graph.set(file, imports);
    for (const rule of Object.values(rules)) found.push(...rule(file, source, imports));
  }
  const imported = new Set([...graph.values()].flat().map(({ target }) => target));
  for (const file of graph.keys())
    if (!imported.has(file) && !entries.includes(file))
      found.push(`${file}:1: a file that nobody imports is banned, use it or delete it`);
  return [...found, ...circles(graph)];
}

function importsOf(file: string, source: ts.SourceFile): Import[] {
  const imports: Import[] = [];
  walk(source, (node) => {
    let specifier: ts.Node | undefined;
    let typeOnly = false;
    if (ts.isImportDeclaration(node)) {
      specifier = node.moduleSpecifier;
      const names = node.importClause?.namedBindings;
      typeOnly =
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ||
        (names !== undefined &&
          ts.isNamedImports(names) &&
          node.importClause?.name === undefined &&
          names.elements.every((name) => name.isTypeOnly));
    } else if (ts.isExportDeclaration(node)) {
      specifier = node.moduleSpecifier;
      typeOnly = node.isTypeOnly;
    } else if (ts.isImportTypeNode(node)) {
      specifier = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
      typeOnly = true;
    } else if (ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText()))
      specifier = node.arguments[0];
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const target = specifier.text.startsWith('.')
      ? posix.join(posix.dirname(file), specifier.text).replace(/\.js$/, '.ts')
      : specifier.text;
    imports.push({ line: lineOf(source, node), target, typeOnly });
  });
  return imports;
}

function circles(graph: Map<string, Import[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      const circle = [...path.slice(path.indexOf(file)), file].join(' -> ');
      found.push(`${file}:1: the circle ${circle} is banned, use one direction`);
    }
    if (done.has(file)) return;
    done.add(file);
    for (const { target } of graph.get(file) ?? []) visit(target, [...path, file]);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** The name of a variable where it is used as a value; not of a property, a key or a type. */
function globalName(node: ts.Node): string | undefined {
  if (!ts.isIdentifier(node) || ts.isTypeNode(node.parent)) return undefined;
  const { parent } = node;
  const isMember = 'name' in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
  return isMember || ts.isBindingElement(parent) ? undefined : node.text;
}

/** `new Date(ms)` asks no clock. */
function isDateOfTime(node: ts.Node): boolean {
  const { parent } = node;
  return ts.isNewExpression(parent) && parent.expression === node && (parent.arguments?.length ?? 0) > 0;
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function readProject(): Files {
  const ignored = new Set(['.git', ...readFileSync('.gitignore', 'utf8').split('\n')]);
  const files: Files = new Map();
  const read = (folder: string): void => {
    for (const entry of readdirSync(folder || '.', { withFileTypes: true })) {
      const file = posix.join(folder, entry.name);
      if (ignored.has(file) || ignored.has(`*${posix.extname(file)}`)) continue;
      if (entry.isDirectory()) read(file);
      else if (entry.isFile()) files.set(file, readFileSync(file, 'utf8'));
    }
  };
  read('');
  return files;
}

/** The files that are there to be called from outside: what package.json exports, and the programs. */
function entryFiles(packageJson: string): string[] {
  const built = packageJson.matchAll(/"\.\/dist\/esm\/([\w/-]+)\.js"/g);
  const programs = [
    'src/cli/main.ts',
    'src/testing/sim-main.ts',
    'src/testing/replica-sim-main.ts',
    'src/client/browser.ts',
  ];
  return [...programs, ...[...built].map(([, name]) => `src/${name}.ts`)];
}

test('the project is tidy', () => {
  const files = readProject();
  expect(findings(files, entryFiles(files.get('package.json') ?? ''))).toEqual([]);
});

const only = 'on' + 'ly';
const slash = '/';
test.each<[string, string, string]>([
  ['src/store/a.ts', "import { b } from '../actors/b.js';", 'src/actors/b.ts is banned'],
  ['src/transport/a.ts', "import { b } from '../store/b.js';", 'src/store/b.ts is banned'],
  ['src/actors/runtime/a.ts', "import type { b } from '../b.js';", 'src/actors/b.ts is banned'],
  ['src/actors/a.ts', "import { b } from '../transport/dial.js';", 'dial.ts is banned'],
  ['src/client/a.ts', "export * from '../transport/listen-ws.js';", 'listen-ws.ts is banned'],
  ['src/testing/a.ts', "await import('../cli/b.js');", 'src/cli/b.ts is banned'],
  ['src/node.ts', "import '../test/a.js';", 'test/a.ts is banned'],
  ['src/store/a.ts', "import { Packr } from 'msgpackr/pack';", 'package msgpackr/pack is banned'],
  ['src/cli/a.ts', "const a = require('left-pad');", 'package left-pad is banned'],
  ['src/store/a.ts', '\nfunction f(now = Date.now()) {}', 'a.ts:2: Date is banned'],
  ['src/store/a.ts', 'const a = new Date();', 'Date is banned'],
  ['src/actors/a.ts', 'setTimeout(f, 1);', 'setTimeout is banned'],
  ['src/actors/a.ts', 'const a = { performance };', 'performance is banned'],
  ['src/store/a.ts', 'const a = Math.random();', 'Math.random is banned'],
  ['src/store/a.ts', "import { randomBytes } from 'node:crypto';", 'node:crypto is banned'],
  ['src/store/a.ts', 'async () => { await f(); };', 'await is banned'],
  ['src/cli/a.ts', '// TO' + 'DO: more', 'an open end is banned'],
  ['test/a.test.ts', `test.${only}('a', f);`, 'a test that silences the others is banned'],
  ['src/cli/a.ts', 'console' + '.log(1);', 'the console is banned'],
  ['src/cli/string-utils.ts', '', "the name 'utils' is banned"],
  ['src/cli/a.ts', "import './a.js';", 'the circle src/cli/a.ts -> src/cli/a.ts is banned'],
  ['src/cli/a.ts', '', 'a file that nobody imports is banned'],
  ['docs/A.md', '# A\n\n# B\n', '2 titles is banned'],
  ['docs/A.md', `# A\n\nSee ${slash}work/a.\n`, 'A.md:3: an absolute path is banned'],
])('%s with %j is found', (file, text, message) => {
  const found = findings(new Map([[file, text]]), []);
  expect(found.join('\n')).toContain(message);
});

test('what is allowed is not found', () => {
  const files: Files = new Map([
    ['src/transport/a.ts', "import type { B } from '../store/b.js';\n// Date.now() is elsewhere"],
    ['src/store/a.ts', 'const a = new Date(ms);'],
    ['src/actors/a.ts', "import { tag } from '../transport/message.js';\nenv.setTimeout(f, 1);"],
    ['src/actors/runtime/env-node.ts', 'setTimeout(f, Date.now());'],
    ['src/cli/a.ts', "import pino from 'pino';\nimport '../index.js';\nimport 'node:fs';"],
    ['docs/A.md', '# A\n\n```sh\n# a comment\n```\n'],
  ]);
  expect(findings(files, [...files.keys()])).toEqual([]);
});

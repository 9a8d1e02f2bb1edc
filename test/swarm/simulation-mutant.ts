/**
 * Runs a simulator with a mistake in the project, to see whether its checkers notice. The change is made to the text
 * of modules, here: `src/` holds no switch for it, and a change that no longer fits the text is an error.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

export interface Mutant {
  readonly name: string;
  /** Each text stands exactly once in `src/`, in whichever module, and is replaced by the other. */
  readonly edits: readonly (readonly [from: string, to: string])[];
}

/** One of the simulators: the program that `make build` makes of it, and what it is told beside seed and runs. */
export interface Simulator {
  readonly program: string;
  readonly options: Readonly<Record<string, string>>;
}

export const CACHE_SIMULATOR: Simulator = { program: 'testing/sim-main.js', options: {} };

export interface Trial {
  /** The invariant that failed, `crash` where the run itself did, null if nothing was noticed. */
  readonly caughtBy: string | null;
  /** The seed that failed. */
  readonly seed: number | null;
  readonly output: string;
}

const BUILT = 'dist/esm';

let sources: ReadonlyMap<string, string> | null = null;

/** What `src/` holds, read once: a list of mutants is tried on the same text. */
const readSources = (): ReadonlyMap<string, string> =>
  (sources ??= new Map(
    readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, readFileSync(join('src', file), 'utf8')]),
  ));

/** The modules that the edits change, below `src/`, each as JavaScript. */
export const mutate = ({ name, edits }: Mutant): ReadonlyMap<string, string> => {
  const texts = new Map(readSources());
  const changed = new Set<string>();
  for (const [from, to] of edits) {
    const [file, ...others] = [...texts].flatMap(([path, text]) => Array(text.split(from).length - 1).fill(path));
    if (file === undefined || others.length > 0) throw new Error(`mutant "${name}": not exactly once in src: ${from}`);
    texts.set(
      file,
      (texts.get(file) as string).replace(from, () => to),
    );
    changed.add(file);
  }
  const { ESNext } = ts.ModuleKind;
  const compilerOptions = { module: ESNext, target: ts.ScriptTarget.ES2023 };
  return new Map(
    [...changed].map((file) => [file, ts.transpileModule(texts.get(file) as string, { compilerOptions }).outputText]),
  );
};

/** Simulates until something is noticed, at most `runs` times; without a mutant, what is there. Needs what `make build` built. */
export const tryMutant = async (
  { program, options }: Simulator,
  mutant: Mutant | null,
  runs: number,
  seed = 1,
): Promise<Trial> => {
  const folder = mkdtempSync(join(tmpdir(), 'swarmbus-mutant-'));
  try {
    const replaced: Record<string, string> = {};
    for (const [module, text] of mutant === null ? [] : mutate(mutant)) {
      const file = join(folder, `${Object.keys(replaced).length}.mjs`);
      writeFileSync(file, text);
      replaced[pathToFileURL(resolve(BUILT, module.replace(/\.ts$/, '.js'))).href] = file;
    }
    const node = ['--import', resolve('test/swarm/replace-module.mjs'), resolve(BUILT, program)];
    const told = { ...options, SEED: String(seed), RUNS: String(runs), STOP: '1', SHRINK: '0' };
    const child = spawn(process.execPath, node, {
      env: { ...process.env, ...told, REPLACED: JSON.stringify(replaced) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    const code = await new Promise<number | null>((done) => child.on('close', done));
    const invariant = /FAILED: ([^;\n]+)/.exec(output)?.[1] ?? null;
    const failed = /seed (\d+) FAILED/.exec(output)?.[1];
    return {
      caughtBy: invariant ?? (code === 0 ? null : 'crash'),
      seed: failed === undefined ? null : Number(failed),
      output,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

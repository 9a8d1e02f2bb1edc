/** Files and functions that the documents name are there. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';

const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'docs/ARCHITECTURE.md', 'docs/PROTOCOL.md', 'docs/COUNTERS.md'];

const sources = ['src', 'test', 'bench'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
);

/** The files that a document may mean by `router.ts` or `cli/node.ts`. */
function filesOf(name: string): string[] {
  return sources.filter((file) => file === name || file.endsWith(`/${name}`));
}

it.each(DOCUMENTS)('%s names files that are there', (document) => {
  const text = readFileSync(document, 'utf8');
  const names = [...text.matchAll(/`((?:[\w.-]+\/)*[\w.-]+\.(?:ts|mjs))`/g)].map(([, name]) => name as string);
  expect(names.filter((name) => filesOf(name).length === 0)).toEqual([]);
});

it.each(DOCUMENTS)('%s links to files and headings that are there', (document) => {
  const text = readFileSync(document, 'utf8');
  const wrong = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([link, path, heading]) => {
    const target = path === '' ? document : join(dirname(document), path as string);
    if (!existsSync(target)) return [link];
    return heading === undefined || headingsOf(readFileSync(target, 'utf8')).includes(heading) ? [] : [link];
  });
  expect(wrong).toEqual([]);
});

it('the life of a GET names functions that are there', () => {
  const rows = readFileSync('docs/ARCHITECTURE.md', 'utf8').matchAll(/^\| \d+\. [^|]*\| ([^|]*)\|/gm);
  const wrong: string[] = [];
  let count = 0;
  for (const [, where] of rows) {
    for (const [named, file, name] of (where as string).matchAll(/`([\w-]+\.ts)` `(?:\w+\.)?(#?\w+)`/g)) {
      count += 1;
      const isThere = filesOf(file as string).some((path) => readFileSync(path, 'utf8').includes(name as string));
      if (!isThere) wrong.push(named);
    }
  }
  expect(count).toBeGreaterThan(10);
  expect(wrong).toEqual([]);
});

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    (title as string)
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

/**
 * Every rule of docs/PROTOCOL.md and every promise of docs/ARCHITECTURE.md has a test that names it, and no test names
 * one that is not there. A promise marked "(not yet)" needs none.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import ts from 'typescript';

const ID = /\[([A-Z]{1,2}\d+)\]/g;

/** Titles of tests and suites, wherever they stand in a file. */
function titlesOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test|describe)\b/.test(node.expression.getText(source))) {
      const [title] = node.arguments;
      if (title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
        titles.push(title.getText(source));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

function citedIds(): Map<string, string> {
  const cited = new Map<string, string>();
  for (const name of readdirSync('test', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const file = join('test', name);
    for (const title of titlesOf(file)) for (const [, id] of title.matchAll(ID)) cited.set(id as string, file);
  }
  return cited;
}

/** Ids at the beginning of a list item, `- **GT1** …`, each once; with whether it is to have a test. */
function statedIds(file: string): [id: string, isBuilt: boolean][] {
  const stated = [...readFileSync(file, 'utf8').matchAll(/^- \*\*([A-Z]{1,2}\d+)\*\* (.*)$/gm)];
  return stated.map(([, id, text]) => [id as string, !(text as string).startsWith('(not yet)')]);
}

const stated = [...statedIds('docs/PROTOCOL.md'), ...statedIds('docs/ARCHITECTURE.md')];
const cited = citedIds();

it('an id is stated once', () => {
  const ids = stated.map(([id]) => id);
  expect(ids.length).toBeGreaterThan(40);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

it('the contract of the cache and that of the replicas are complete', () => {
  const ids = statedIds('docs/ARCHITECTURE.md').map(([id]) => id);
  const numbered = (letter: string): string[] => Array.from({ length: 9 }, (_, i) => `${letter}${i + 1}`);
  expect(ids).toEqual([...numbered('C'), ...numbered('R')]);
});

it('every rule has a test', () => {
  expect(stated.filter(([id, isBuilt]) => isBuilt && !cited.has(id)).map(([id]) => id)).toEqual([]);
});

it('every test is of a rule that is there', () => {
  const ids = new Set(stated.map(([id]) => id));
  expect([...cited].filter(([id]) => !ids.has(id)).map(([id, file]) => `${file}: [${id}]`)).toEqual([]);
});

/**
 * Runs the simulator with one module of the project changed, to see whether its checkers notice. The change is made to
 * the module's text, here: `src/` holds no switch for it, and a change that no longer fits the text is an error.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

export interface Mutant {
  readonly name: string;
  /** Below `src/`. */
  readonly file: string;
  /** Each text stands exactly once in the module, and is replaced by the other. */
  readonly edits: readonly (readonly [from: string, to: string])[];
}

export interface Trial {
  /** The invariant that failed, `crash` where the run itself did, null if nothing was noticed. */
  readonly caughtBy: string | null;
  /** The seed that failed. */
  readonly seed: number | null;
  readonly output: string;
}

/** The module's text after the edits, as JavaScript. */
export const mutate = ({ name, file, edits }: Mutant): string => {
  let text = readFileSync(join('src', file), 'utf8');
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`mutant "${name}": not exactly once in src/${file}: ${from}`);
    text = text.replace(from, () => to);
  }
  const { ESNext } = ts.ModuleKind;
  return ts.transpileModule(text, { compilerOptions: { module: ESNext, target: ts.ScriptTarget.ES2023 } }).outputText;
};

/** Simulates until something is noticed, at most `runs` swarms. Needs what `make build` built. */
export const tryMutant = async (mutant: Mutant, runs: number, seed = 1): Promise<Trial> => {
  const folder = mkdtempSync(join(tmpdir(), 'swarmbus-mutant-'));
  try {
    const file = join(folder, 'module.mjs');
    writeFileSync(file, mutate(mutant));
    const built = resolve('dist/esm');
    const url = pathToFileURL(join(built, mutant.file.replace(/\.ts$/, '.js'))).href;
    const child = spawn(
      process.execPath,
      ['--import', resolve('test/swarm/replace-module.mjs'), join(built, 'testing/sim-main.js')],
      {
        env: {
          ...process.env,
          SEED: String(seed),
          RUNS: String(runs),
          STOP: '1',
          SHRINK: '0',
          REPLACED_URL: url,
          REPLACED_BY: file,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
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

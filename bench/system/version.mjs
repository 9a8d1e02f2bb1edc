// Which versions are measured.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a program says of itself; null if it is not installed. */
export function versionOf(command, args, pattern) {
  try {
    const text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return pattern.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** That of a package, by its package.json; null if it is not there. */
export function packageVersion(path) {
  try {
    return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version;
  } catch {
    return null;
  }
}

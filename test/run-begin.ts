/**
 * Before all suites: the run gets a temporary folder of its own, and a mark that every process started by a test
 * inherits, so that run-end.ts sees what was left behind.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function beginRun(): void {
  process.env['TMPDIR'] = mkdtempSync(join(tmpdir(), 'swarmbus-run-'));
  process.env['TEST_RUN'] = randomUUID();
}

/** A page whose replica lies in IndexedDB: it writes without a connection, is reloaded mid-way, and loses nothing. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { CHROMIUM, launchChromium } from './chromium.js';
import { lww } from '../../src/client/index.js';
import { freePorts, lacks, until, useProcesses, type NodeProcess } from './processes.js';

const WAIT_MS = 20_000;

const isSkipped = lacks('replicas in a browser', existsSync(CHROMIUM), 'chromium');
const describeRuns = isSkipped ? describe.skip : describe;

describeRuns('a page in Chromium', () => {
  const processes = useProcesses(120_000);
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  /** Serves the page, and nothing else. */
  let host: NodeProcess;
  /** The peer of the page, and one of others. */
  let near: NodeProcess;
  let far: NodeProcess;
  let nearFlags: readonly string[];

  beforeAll(async () => {
    const port = await freePorts(2);
    host = await processes.node(['--name', 'host']);
    const origin = host.url.replace('ws:', 'http:');
    far = await processes.node(['--name', 'far', '--listen', `127.0.0.1:${port + 1}`, '--data', processes.folder()]);
    const own = ['--name', 'near', '--listen', `127.0.0.1:${port}`, '--data', processes.folder(), '--origin', origin];
    nearFlags = [...own, '--link', far.url];
    near = await processes.node(nearFlags);
    for (const node of [far, near]) await (await node.client()).createDatabase('notes');
    browser = await launchChromium(processes.folder());
    page = await browser.newPage();
    page.setDefaultTimeout(WAIT_MS);
    complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(origin);
  }, 90_000);

  afterAll(async () => {
    await browser?.close();
  });

  /** What each visit of the page begins with. */
  const visit = (): Promise<unknown> =>
    page.evaluate(`(async () => {
      const { connect, indexedDbStorage, lww, set } = await import('/client.js');
      window.client = await connect('${near.url}', { offline: true });
      window.notes = await client.database('notes', { storage: indexedDbStorage() });
      window.note = await notes.object('note:1', lww);
      window.tags = await notes.object('tags', set);
    })()`);
  const inPage = <T>(script: string): Promise<T> => page.evaluate(`(async () => { ${script} })()`);
  const seen = (): Promise<unknown> => inPage('return { note: note.state, tags: tags.state };');
  const pageSees = async (isIt: (seen: unknown) => boolean): Promise<void> => {
    let last: unknown;
    await until(
      async () => isIt((last = await seen())),
      () => `something else than ${JSON.stringify(last)}`,
      WAIT_MS,
    );
  };

  it('[R4] keeps what it writes offline over a reload, and brings it to all', async () => {
    await visit();
    await inPage(`note.set({ title: 'from the page' }); tags.add('page'); await notes.spread();`);
    const others = await (await far.client()).database('notes');
    const theirs = await others.object('note:1', lww);
    expect(theirs.state).toEqual({ title: 'from the page' });

    near.process.kill('SIGKILL');
    await near.process.ended;
    await inPage(`note.set('one', 1); note.set('two', 2); await notes.kept();`);
    theirs.set({ elsewhere: true, title: 'from elsewhere' });
    await others.stored();

    const replica = await inPage('return notes.replica;');
    await page.reload();
    await visit();
    expect(await inPage('return [notes.status, notes.replica, notes.pendingCount];')).toEqual(['offline', replica, 2]);
    expect(await seen()).toEqual({ note: { title: 'from the page', one: 1, two: 2 }, tags: ['page'] });
    await inPage(`note.set('three', 3); tags.add('offline'); await notes.kept();`);
    await page.reload();
    await visit();
    expect(await inPage('return notes.pendingCount;')).toBe(4);

    near = await processes.node(nearFlags);
    const whole = { title: 'from elsewhere', elsewhere: true, one: 1, two: 2, three: 3 };
    await inPage('await notes.spread();');
    await pageSees((state) => (state as { note: { elsewhere?: true } }).note.elsewhere === true);
    expect(await seen()).toEqual({ note: whole, tags: ['page', 'offline'] });
    await until(() => theirs.state['three'] === 3, 'the changes elsewhere', WAIT_MS);
    expect(theirs.state).toEqual(whole);
    expect(await inPage('return [notes.status, notes.replica, notes.pendingCount];')).toEqual(['live', replica, 0]);

    const clients = [await near.client(), await far.client()];
    const digests = await Promise.all(clients.map((one) => one.inspectDatabase('notes', { digests: true })));
    expect(digests[0]!['stateDigest']).toBe(digests[1]!['stateDigest']);
    expect(digests[0]!['chainDigest']).toBe(digests[1]!['chainDigest']);
    expect(complaints).toEqual([]);
  }, 90_000);
});

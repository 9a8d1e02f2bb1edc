/** The client in a real browser, without a bundler: by a page's own script, and by the page of a node as people use it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { CHROMIUM, launchChromium } from './chromium.js';
import { lacks, settled, until, useProcesses, type NodeProcess } from './processes.js';

const isSkipped = lacks('pages in a browser', existsSync(CHROMIUM), 'chromium');
const describeRuns = isSkipped ? describe.skip : describe;

describeRuns('a page in Chromium', () => {
  const processes = useProcesses(90_000);
  let browser: Browser;
  let page: Page;
  /** Errors and warnings of the page's console. */
  let complaints: string[];
  /** Serves the page. */
  let near: NodeProcess;
  /** Lets pages of the first node in. */
  let far: NodeProcess;

  beforeAll(async () => {
    near = await processes.node(['--name', 'near']);
    far = await processes.node(['--name', 'far', '--link', near.url, '--origin', pageOf(near)]);
    await settled([near, far], 1);
    browser = await launchChromium(processes.folder());
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
  });

  afterEach(async () => {
    await page?.close();
  });

  const open = async (node: NodeProcess): Promise<void> => {
    page = await browser.newPage({ viewport: { width: 900, height: 700 } });
    page.setDefaultTimeout(10_000);
    complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(pageOf(node));
  };

  /** Runs a script in the page, with a client of that node. */
  const withClient = (node: NodeProcess, script: string): Promise<unknown> =>
    page.evaluate(`(async () => {
      const { connect } = await import('/client.js');
      const client = await connect('${node.url}', { connectTimeoutMs: 2000 });
      try {
        ${script}
      } finally {
        await client.close();
      }
    })()`);

  /** What the page shows, once it is that. */
  const answerOf = async (isIt: (text: string) => boolean): Promise<string> => {
    let text = '';
    const isShown = async (): Promise<boolean> => {
      text = (await page.textContent('#out')) ?? '';
      return isIt(text);
    };
    await until(isShown, () => `another answer than ${text}`);
    return text;
  };

  it('writes through one node and reads through another', async () => {
    await open(near);
    await (await far.client()).set('from elsewhere', { a: [1, 2] });
    const read = await withClient(near, `return await client.get('from elsewhere');`);
    expect(read).toEqual({ a: [1, 2] });

    await withClient(far, `await client.set('from a page', { text: 'Grüße', bytes: new Uint8Array([1, 2]) });`);
    const value = await (await near.client()).get('from a page');
    expect(value).toEqual({ text: 'Grüße', bytes: new Uint8Array([1, 2]) });
    expect(complaints).toEqual([]);
  });

  it('is refused by a node that does not know its Origin', async () => {
    await open(far);
    await expect(withClient(near, '')).rejects.toThrow('no node could be reached');
  });

  it('is a console for people', async () => {
    await open(near);
    expect(await answerOf((text) => text.includes('"near"'))).toContain('"status": "running"');

    await page.fill('#key', 'typed');
    await page.fill('#value', '{"by": "hand"}');
    await page.click('button[name=set]');
    await answerOf((text) => text === 'stored');
    expect(await (await far.client()).get('typed')).toEqual({ by: 'hand' });

    await page.click('button[name=get]');
    expect(JSON.parse(await answerOf((text) => text.startsWith('{')))).toEqual({ by: 'hand' });
    await page.fill('#value', '{by: hand}');
    await page.click('button[name=set]');
    await answerOf((text) => text.includes('no JSON'));
    await page.click('button[name=delete]');
    await answerOf((text) => text === 'deleted');
    await page.click('button[name=get]');
    await answerOf((text) => text === 'missing');
    expect(complaints).toEqual([]);
  });
});

function pageOf(node: NodeProcess): string {
  return node.url.replace('ws:', 'http:');
}

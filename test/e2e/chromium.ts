/** A browser without a window, for tests that need a real one. */
import { chromium, type Browser } from 'playwright-core';

export const CHROMIUM = '/usr/bin/chromium';
const ARGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

/** What the browser writes goes into that folder, where it is removed with the suite. */
export const launchChromium = (folder: string): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ARGS.split(' '),
    env: { ...process.env, TMPDIR: folder, HOME: folder },
    timeout: 30_000,
  });

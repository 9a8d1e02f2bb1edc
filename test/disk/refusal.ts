/** What a refused opening says. */
import { expect } from '@jest/globals';

/** What follows that start, of the one line that says why; `not refused` if it isn't. */
export const refusalOf = async (opening: Promise<unknown>, start: string): Promise<string> => {
  const reason = await opening.then(
    () => `${start}not refused`,
    (error: Error) => error.message,
  );
  expect(reason.slice(0, start.length)).toBe(start);
  expect(reason).not.toContain('\n');
  return reason.slice(start.length);
};

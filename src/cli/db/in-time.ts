/** Waits that end: what a database does it does for as long as it takes, and a command does not. */
import { EXIT, failure } from '../exit.js';

/** Rejects with a Failure after so many ms. `what` completes "no answer within 5000 ms: ...". */
export async function inTime<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        failure(EXIT.failed, `TIMEOUT: no answer within ${timeoutMs} ms: ${what}; try again, or a longer --timeout`),
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

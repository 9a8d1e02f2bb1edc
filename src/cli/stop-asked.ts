/** When a node is to leave: at the first SIGTERM or SIGINT, or when its standard input ends. The second ends it at once. */
import { EXIT } from './exit.js';
import type { Outside } from './outside.js';

export interface StopAsked {
  /** Resolves with the reason. */
  readonly promise: Promise<string>;
  /** From now on signals do what they do to other programs. */
  forget(): void;
}

/** `hurry` is called by the second signal, before the process ends. */
export function stopAsked(
  outside: Pick<Outside, 'onSignal' | 'exit' | 'stdin'>,
  endsWithStdin: boolean,
  hurry: () => void,
): StopAsked {
  let resolve!: (reason: string) => void;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  let isAsked = false;
  const forgets = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    outside.onSignal(signal, () => {
      if (isAsked) {
        hurry();
        outside.exit(EXIT.interrupted);
      }
      isAsked = true;
      resolve(signal);
    }),
  );
  if (endsWithStdin) {
    const onEnd = (): void => resolve('end of standard input');
    outside.stdin.on('end', onEnd).on('close', onEnd).on('error', onEnd).resume();
    forgets.push(() => void outside.stdin.pause());
  }
  return {
    promise,
    forget() {
      for (const forget of forgets) forget();
    },
  };
}

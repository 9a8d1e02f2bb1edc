/** One node in this process, from its options to its end, and what its log says of both. */
import type { Log } from '../actors/runtime/env.js';
import type { NodeEnd } from '../actors/node.js';
import type { NodeOptions, RunningNode } from '../node.js';
import type { Outside } from './outside.js';

/** Starts it. Rejects with an error of code STARTUP for what its operator has to change. */
export async function startSingleNode(
  options: NodeOptions,
  log: Log,
  outside: Pick<Outside, 'startNode'>,
): Promise<RunningNode> {
  const node = await outside.startNode(options, log);
  const { id, urls, listenerKind } = node;
  log('info', 'listening', { node: id, urls, listener: listenerKind, because: reasonFor(options, node) });
  return node;
}

/** Runs it until it ends by itself, or leaves for the reason with which `asked` resolves; see RunningNode for `isFree`. */
export async function endOf(
  node: RunningNode,
  asked: Promise<string>,
  log: Log,
  isFree = Promise.resolve(),
): Promise<NodeEnd> {
  const asking = asked.then((because) => {
    log('info', 'stopping', { because });
    return node.stop(isFree);
  });
  const end = await Promise.race([asking, node.stopped]);
  log('info', 'stopped', { because: end.reason });
  return end;
}

function reasonFor(options: NodeOptions, node: RunningNode): string {
  if (options.listener !== null) return `--listener ${options.listener}`;
  return node.listenerKind === 'uws' ? 'it is the faster one' : 'uWebSockets.js could not be loaded';
}

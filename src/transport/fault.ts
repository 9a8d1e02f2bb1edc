/**
 * Errors that are not a peer's doing. Not told apart by `instanceof`, which fails between realms: the tests of those who
 * embed a node have an `Error` of their own.
 */

/** What an error says, without its name. */
export const messageOf = (error: unknown): string => textOf(error, 'message') ?? String(error);

/**
 * A handler threw: our own bug. The link pays for it, the process lives; the fault becomes a warning of the process, with
 * its stack, since the peer must not learn more than that it was not its doing.
 */
export function reportFault(error: unknown): void {
  process.emitWarning(textOf(error, 'stack') ?? messageOf(error), 'LinkFault');
}

function textOf(error: unknown, name: 'message' | 'stack'): string | null {
  if (typeof error !== 'object' || error === null) return null;
  const text = (error as Partial<Record<typeof name, unknown>>)[name];
  return typeof text === 'string' ? text : null;
}

/**
 * How a command ends: the exit codes, which scripts rely on, and the failures that carry one. A failure's message is
 * one line that says what to do; it is all that the user sees of it.
 */
export const EXIT = {
  done: 0,
  /** Refused by the swarm, or not completed. */
  failed: 1,
  /** The command can't be run as it was given. */
  usage: 2,
  unreachable: 3,
  missing: 4,
  /** Ended by the user: what shells report for SIGINT. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export type Failure = Error & { readonly exitCode: number };

export function failure(exitCode: ExitCode, message: string): Failure {
  return Object.assign(new Error(message), { exitCode });
}

export function isFailure(error: unknown): error is Failure {
  return typeof propertyOf(error, 'exitCode') === 'number';
}

/**
 * The `code` of a SwarmError or of a system error. Both builds of the client may be loaded, and tests have globals of
 * their own, so errors are known by what they have.
 */
export function codeOf(error: unknown): string {
  const code = propertyOf(error, 'code');
  return typeof code === 'string' ? code : '';
}

export function messageOf(error: unknown): string {
  const message = propertyOf(error, 'message');
  return typeof message === 'string' ? message : String(error);
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

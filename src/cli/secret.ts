/** Secrets, from files or the environment: never from arguments, which everyone on the machine can read. */
import { readFileSync, statSync } from 'node:fs';
import { EXIT, failure, messageOf } from './exit.js';

type Env = Readonly<Record<string, string | undefined>>;

export interface Secret {
  readonly text: string;
  /** What is unwise about how it is kept, in one line, or null. */
  readonly warning: string | null;
}

/** Reads a file that an option names. Throws a Failure if it can't. */
export function readTextFile(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw failure(EXIT.usage, `${option}: ${file} can't be read (${messageOf(error).replace(/,.*/s, '')})`);
  }
}

export function secretFromFile(option: string, file: string): Secret {
  const text = checked(readTextFile(option, file), file);
  const isPublic = (statSync(file).mode & 0o004) !== 0;
  return { text, warning: isPublic ? `${file} can be read by every user: chmod 600 ${file}` : null };
}

/** Null if the variable is unset or empty. */
export function secretFromEnv(variable: string, env: Env): Secret | null {
  const text = env[variable];
  return text === undefined || text === '' ? null : { text: checked(text, variable), warning: null };
}

/** The token of a client command: of the file, else of the environment, else null. */
export function readToken(file: string | undefined, env: Env): string | null {
  const secret = file === undefined ? secretFromEnv('SWARMBUS_TOKEN', env) : secretFromFile('--token-file', file);
  return secret?.text ?? null;
}

function checked(text: string, where: string): string {
  const secret = text.trim();
  if (secret === '')
    throw failure(
      EXIT.usage,
      `${where} is empty: put a secret into it, such as the output of \`openssl rand -hex 32\``,
    );
  if (secret.length > 4096 || /\p{Cc}/u.test(secret))
    throw failure(EXIT.usage, `${where} must hold one line of at most 4096 characters`);
  return secret;
}

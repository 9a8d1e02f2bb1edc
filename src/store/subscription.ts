/**
 * What a client has subscribed to: one object, all objects of a type, those whose ids begin alike, both of these, or
 * everything as it is in the log.
 */
import { ID_BYTES_MAX, objectName, objectionToName } from './op.js';

export class Subscription {
  /** Null: of any type. */
  readonly type: string | null;
  /** The one object's id; null: those with the prefix. */
  readonly id: string | null;
  readonly prefix: string;
  /** Every op, in the order of the log, and no snapshots instead. */
  readonly isLog: boolean;

  private constructor(type: string | null, id: string | null, prefix: string, isLog: boolean) {
    this.type = type;
    this.id = id;
    this.prefix = prefix;
    this.isLog = isLog;
  }

  /**
   * From what a client asks for: `{type, object}`, `{type, prefix}`, `{type}`, `{prefix}` (all of them text) or `{all:
   * true}`; or why that is no subscription. What else there is in the options is not looked at.
   */
  static of(options: Readonly<Record<string, unknown>>): Subscription | string {
    const { type = null, object = null, prefix = null, all = null } = options;
    if (all !== null && typeof all !== 'boolean') return 'all is true or false';
    if (all === true) {
      const isAlone = type === null && object === null && prefix === null;
      return isAlone ? new Subscription(null, null, '', true) : 'all goes with no other choice';
    }
    if (!isTextOrNull(type) || !isTextOrNull(object) || !isTextOrNull(prefix))
      return 'type, object and prefix are text';
    if (object !== null && (type === null || prefix !== null)) return 'object goes with type, and not with prefix';
    if (type === null && prefix === null) return 'type, object, prefix or all is expected';
    if (prefix !== null && prefix.length > ID_BYTES_MAX)
      return `a prefix of at most ${ID_BYTES_MAX} characters is expected`;
    return objectionToName(type ?? 'any', object ?? 'any') ?? new Subscription(type, object, prefix ?? '', false);
  }

  covers(type: string, id: string): boolean {
    if (this.type !== null && type !== this.type) return false;
    return this.id === null ? id.startsWith(this.prefix) : id === this.id;
  }

  /** The name of the one object that is covered; null if there may be more. */
  get objectName(): string | null {
    return this.type === null || this.id === null ? null : objectName(this.type, this.id);
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

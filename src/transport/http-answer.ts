/** Plain HTTP of a listener: methods, refusals and faults around the `Answer` that the node gives. */
import { STATUS_CODES } from 'node:http';
import type { Admission, Refusal } from './admission.js';
import { reportFault } from './fault.js';
import type { Answer } from './link.js';

/** A whole reply. A HEAD gets the headers of the GET, `content-length` included, and no body. */
export interface HttpReply {
  readonly status: number;
  /** What the status line says after the number. */
  readonly phrase: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export function answerHttp(
  answer: Answer,
  admission: Admission,
  method: string,
  path: string,
  host: string,
): HttpReply {
  const refusal = admission.refuseHost(host);
  if (refusal !== null) return refuseHttp(refusal);
  if (method !== 'GET' && method !== 'HEAD') return refuseHttp({ status: 405, text: 'only GET and HEAD' });
  try {
    const found = answer(method, path);
    if (found === null) return refuseHttp({ status: 404, text: 'nothing here: see /' });
    return reply(found.status, found.type, found.body);
  } catch (error) {
    reportFault(error);
    return refuseHttp({ status: 500, text: 'internal error' });
  }
}

export const refuseHttp = ({ status, text }: Refusal): HttpReply =>
  reply(status, 'text/plain; charset=utf-8', `${text}\n`, status === 405 ? { allow: 'GET, HEAD' } : {});

const reply = (
  status: number,
  type: string,
  body: string | Uint8Array,
  more: Record<string, string> = {},
): HttpReply => ({
  status,
  phrase: STATUS_CODES[status] ?? 'Unknown',
  headers: { 'content-type': type, 'x-content-type-options': 'nosniff', ...more },
  body,
});

// The bytes between a client and nats-server: a JetStream key-value bucket, written by publishing to the subject of a
// key, read by DIRECT.GET, which asks the stream without a consumer in between. Each request names the subject that its
// reply goes to, below one that belongs to the connection. See index.mjs for the contract.

import { REPLY } from '../job.mjs';

export const BUCKET = 'bench';
export const STREAM = `KV_${BUCKET}`;

/** The part of the network that has the bucket. From elsewhere it is asked by this name. */
export const DOMAIN = 'hub';
const READ = `DIRECT.GET.${STREAM}.$KV.${BUCKET}.`;
const WRITE = `$KV.${BUCKET}.`;
/** The one key whose changes are watched. */
const PUBLISHED = 'published';
const GREETED = { mark: 'PONG', end: 'PONG\r\n' };

/** For those who are where the bucket is, and for those who ask from a leaf node. */
export const natsProtocol = createProtocol(`$JS.API.${READ}`);
export const natsLeafProtocol = createProtocol(`$JS.${DOMAIN}.API.${READ}`);

function createProtocol(readSubject) {
  return {
    number: 2,

    greeting(connectionCount) {
      const variants = Array.from({ length: connectionCount }, (_, n) => connect(`_INBOX.${n}.*`));
      return [{ variants, ...GREETED }];
    },

    watchGreeting: () => [{ variants: [connect(`${WRITE}${PUBLISHED}`)], ...GREETED }],

    encodeBatch(requests, connection) {
      const text = requests.map(({ op, key = PUBLISHED, value = '' }, id) => {
        const subject = `${op === 'get' ? readSubject : WRITE}${key}`;
        return `PUB ${subject} _INBOX.${connection}.${id} ${value.length}\r\n${value}\r\n`;
      });
      return Buffer.from(text.join(''), 'latin1');
    },

    expected(ops, { valueBytesMin, valueBytesMax }) {
      const kinds = { get: REPLY.value, absent: REPLY.missing, set: REPLY.stored, publish: REPLY.stored };
      return { kinds: ops.reduce((sum, op) => sum | kinds[op], 0), valueBytesMin, valueBytesMax };
    },

    decode(bytes, end, onReply) {
      let at = 0;
      while (at < end) {
        const lineEnd = bytes.indexOf('\r\n', at);
        if (lineEnd < 0 || lineEnd + 2 > end) break;
        let next = lineEnd + 2;
        const [word, subject, ...rest] = bytes.toString('latin1', at, lineEnd).split(' ');
        if (word === 'MSG' || word === 'HMSG') {
          const total = Number(rest.at(-1));
          const head = word === 'HMSG' ? Number(rest.at(-2)) : 0;
          if (next + total + 2 > end) break;
          const id = Number(subject.slice(subject.lastIndexOf('.') + 1));
          onReply(id, readBody(bytes.toString('latin1', next, next + total), head));
          next += total + 2;
        } else if (word === '-ERR') throw new Error(`nats-server says ${bytes.toString('latin1', at, lineEnd)}`);
        at = next;
      }
      return at;
    },

    replyBytes: (bytes) => (bytes.includes('PING\r\n') ? Buffer.from('PONG\r\n') : null),
  };
}

/** The request that makes the bucket, in memory, and the mark of its reply. */
export function createBucket() {
  const config = {
    name: STREAM,
    subjects: [`$KV.${BUCKET}.>`],
    storage: 'memory',
    max_msgs_per_subject: 1,
    discard: 'new',
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    num_replicas: 1,
  };
  const text = JSON.stringify(config);
  return `PUB $JS.API.STREAM.CREATE.${STREAM} _INBOX.0.0 ${text.length}\r\n${text}\r\n`;
}

function connect(subject) {
  const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: 'bench', version: '1' };
  return `CONNECT ${JSON.stringify({ ...options, protocol: 1 })}\r\nSUB ${subject} 1\r\nPING\r\n`;
}

function readBody(text, head) {
  if (head === 0) {
    if (text.includes('"error"')) throw new Error(`nats-server refuses: ${text}`);
    return { op: 'set' };
  }
  const status = text.slice(0, text.indexOf('\r\n'));
  if (status !== 'NATS/1.0') throw new Error(`nats-server answers ${status}`);
  return { op: 'get', value: text.slice(head) };
}

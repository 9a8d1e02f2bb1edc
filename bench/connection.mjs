// One raw TCP connection that stores and checks keys. It reads into one buffer of its own, since a fresh one per read
// would cost more than anything else that it does.

import { connect } from 'node:net';

const READ_BYTES = 65_536;
const OPEN_TIMEOUT_MS = 5_000;

/**
 * Opens connection number `number` of `count` to a port of this machine and goes through the protocol's greeting.
 * Everything received then goes to `onBytes(bytes, length)`, which gives the number of bytes that it is done with; the
 * others come again with what follows them. What breaks later goes to `onFault`.
 */
export async function openConnection({ port, protocol, number, count }, onFault) {
  const steps = protocol
    .greeting(count)
    .map((step) => ({ ...step, bytes: step.variants[number % step.variants.length] }));
  const connection = new Connection(port, steps, protocol.replyBytes, onFault);
  await connection.opened;
  return connection;
}

class Connection {
  opened;
  onBytes = () => {
    throw new Error('bytes came in that nobody asked for');
  };
  #socket;
  /** What is left of the greeting. */
  #steps;
  #replyBytes;
  #rest = null;
  #settle;
  #fault;

  constructor(port, steps, replyBytes, onFault) {
    this.#steps = steps;
    this.#replyBytes = replyBytes;
    this.#fault = onFault;
    this.opened = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new Error(
              `port ${port} does not answer the greeting${this.#rest === null ? '' : `: ${firstLine(this.#rest)}`}`,
            ),
          ),
        OPEN_TIMEOUT_MS,
      );
      this.#settle = (error) => {
        clearTimeout(timer);
        if (error === null) resolve();
        else reject(error);
      };
    });
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(READ_BYTES), callback: (length, bytes) => this.#onRead(bytes, length) },
    });
    this.#socket.on('connect', () => this.#onConnect());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error(`the connection to port ${port} was closed`)));
  }

  send(bytes) {
    this.#socket.write(bytes);
  }

  close() {
    this.#fault = () => {};
    this.#socket.destroy();
  }

  #onConnect() {
    const [step] = this.#steps;
    if (step === undefined) this.#settle(null);
    else this.#socket.write(step.bytes);
  }

  #onRead(chunk, length) {
    try {
      if (this.#rest === null) this.#take(chunk, length);
      else {
        const joined = Buffer.concat([this.#rest, chunk.subarray(0, length)]);
        this.#rest = null;
        this.#take(joined, joined.length);
      }
    } catch (error) {
      this.#fail(error);
    }
    return true;
  }

  #take(bytes, length) {
    const unasked = this.#replyBytes?.(bytes.subarray(0, length)) ?? null;
    if (unasked !== null) this.#socket.write(unasked);
    const isGreeted = this.#steps.length === 0;
    const taken = isGreeted ? this.onBytes(bytes, length) : this.#greeted(bytes.subarray(0, length));
    if (taken < length) this.#rest = Buffer.from(bytes.subarray(taken, length));
  }

  #greeted(bytes) {
    const [{ mark, end }] = this.#steps;
    if (!bytes.includes(mark) || !bytes.subarray(-end.length).equals(Buffer.from(end))) return 0;
    this.#steps.shift();
    this.#onConnect();
    return bytes.length;
  }

  #fail(error) {
    this.#settle(error);
    this.#fault(error);
    this.close();
  }
}

function firstLine(bytes) {
  return bytes.toString('latin1').split('\r\n')[0];
}

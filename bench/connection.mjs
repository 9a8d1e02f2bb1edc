// One raw TCP connection of the load generator. It reads into one buffer of its own, since a fresh one per read would
// cost the generator more than anything else that it does.

import { connect } from 'node:net';

const READ_BYTES = 65_536;
const OPEN_TIMEOUT_MS = 5_000;

/**
 * Opens a connection to a port of this machine and goes through the protocol's greeting. Until `forget` is called,
 * everything received goes to `onBytes(bytes, length)`, which gives the number of bytes that it is done with; the
 * others come again with what follows them. What breaks later goes to `onFault`.
 */
export async function openConnection(port, protocol, onFault) {
  const connection = new Connection(port, protocol, onFault);
  await connection.opened;
  return connection;
}

class Connection {
  opened;
  onBytes = () => {
    throw new Error('bytes came in that nobody asked for');
  };
  #socket;
  #greeting;
  #rest = null;
  #settle;
  #fault;

  constructor(port, protocol, onFault) {
    this.#greeting = protocol.greet();
    this.#fault = onFault;
    this.opened = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`port ${port} does not answer`)), OPEN_TIMEOUT_MS);
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
    if (this.#greeting === null) this.#settle(null);
    else this.#socket.write(this.#greeting.bytes);
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
    const taken = this.#greeting === null ? this.onBytes(bytes, length) : this.#greeted(bytes.subarray(0, length));
    if (taken < length) this.#rest = Buffer.from(bytes.subarray(taken, length));
  }

  #greeted(bytes) {
    const end = this.#greeting.endOfAnswer(bytes);
    if (end < 0) return 0;
    this.#greeting = null;
    this.#settle(null);
    return end;
  }

  #fail(error) {
    this.#settle(error);
    this.#fault(error);
    this.close();
  }
}

/** Why a listener could not start, in one line that says what to do. */
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { messageOf } from './fault.js';
import type { ListenOptions, TlsOptions } from './link.js';

type Address = Pick<ListenOptions, 'host' | 'port' | 'socketPath'>;

export function listenFault({ host, port, socketPath }: Address, error: NodeJS.ErrnoException): string {
  if (socketPath !== null) return `can't listen on the socket ${socketPath}: ${error.message}`;
  const where = `can't listen on ${host.includes(':') ? `[${host}]` : host}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: port in use; choose another with --listen`;
    case 'EACCES':
      return `${where}: not permitted; choose a port above 1023 with --listen`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${where}: no such address on this machine; choose another with --listen`;
    default:
      return `${where}: ${error.message}; choose another with --listen`;
  }
}

/** Asks the system why an address can't be listened on, for a library that only says that it failed. */
export function probeListenFault(address: Address, found: (reason: string) => void): void {
  const { host, port, socketPath } = address;
  const where = socketPath === null ? { host, port, exclusive: true } : { path: socketPath };
  const probe = createServer();
  probe.once('error', (error) => found(listenFault(address, error)));
  probe.listen(where, () => probe.close(() => found(listenFault(address, new Error('it failed')))));
}

/** The port of an address on which nobody listens: its own or, for 0, a free one. Or why it can't be listened on. */
export function freePort(host: string, port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(listenFault({ host, port, socketPath: null }, error)));
    probe.listen({ host, port, exclusive: true }, () => {
      const { port: found } = probe.address() as AddressInfo;
      probe.close(() => resolve(found));
    });
  });
}

/** The certificate and its key, or why they can't be used. */
export function readTls({ certFile, keyFile }: TlsOptions): { cert: Buffer; key: Buffer } | string {
  try {
    const files = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    createSecureContext(files);
    return files;
  } catch (error) {
    return `can't use the TLS certificate: ${messageOf(error)}; check --tls-cert and --tls-key`;
  }
}

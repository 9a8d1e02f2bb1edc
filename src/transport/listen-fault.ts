/** Why a listener could not start, in one line that says what to do. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { messageOf } from './fault.js';
import type { ListenOptions, TlsOptions } from './link.js';

type Address = Pick<ListenOptions, 'host' | 'port'>;

export function listenFault({ host, port }: Address, error: NodeJS.ErrnoException): string {
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
  const probe = createServer();
  probe.once('error', (error) => found(listenFault(address, error)));
  probe.listen({ ...address, exclusive: true }, () => {
    probe.close(() => found(listenFault(address, new Error('it failed'))));
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

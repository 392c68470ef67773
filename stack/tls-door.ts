import { readFileSync } from 'node:fs';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface TlsDoor {
  readonly url: string;
  /** While it is shut every connection breaks. */
  shut(isShut: boolean): void;
  close(): Promise<void>;
}

/** TLS in front of a server that has none: the client asks for it, is told yes, and the rest goes through. */
export async function openTlsDoor(address: string, { certificateFile, keyFile }: Certificate): Promise<TlsDoor> {
  const { hostname, port } = new URL(address);
  const [cert, key] = [readFileSync(certificateFile), readFileSync(keyFile)];
  const sockets = new Set<Socket>();
  let isShut = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    if (isShut) {
      client.destroy();
      return;
    }
    client.once('data', () => {
      client.write('S');
      const secure = new TLSSocket(client, { isServer: true, cert, key });
      const behind = connectTo(Number(port), hostname);
      keep(behind);
      secure.on('error', () => behind.destroy());
      secure.on('close', () => behind.destroy());
      behind.on('close', () => secure.destroy());
      secure.pipe(behind).pipe(secure);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(address);
  url.host = `localhost:${(server.address() as { port: number }).port}`;
  return {
    url: url.href,
    shut(shut) {
      isShut = shut;
      if (shut) for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A door to a server that can be led elsewhere, closed, or left open with nobody behind it. */
export interface TcpProxy {
  readonly port: number;
  /** New connections go there; those that stand are cut. */
  leadTo(port: number): void;
  /** Connections stay open and nothing passes: what a lost network looks like. */
  silence(): void;
  resume(): void;
  close(): Promise<void>;
}

export async function openTcpProxy(targetPort: number): Promise<TcpProxy> {
  let target = targetPort;
  let silent = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ port: target, host: '127.0.0.1' });
    client.pipe(upstream);
    upstream.pipe(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    if (silent) hold([client, upstream]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    leadTo(port) {
      target = port;
      for (const socket of sockets) socket.destroy();
    },
    silence() {
      silent = true;
      hold(sockets);
    },
    resume() {
      silent = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function hold(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.pause();
}

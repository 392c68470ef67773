import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A door to a server that can be led elsewhere, closed, or left open with nobody behind it. */
export interface TcpProxy {
  readonly port: number;
  /** New connections go there; those that stand are cut. */
  leadTo(port: number): void;
  /** Connections stay open and nothing passes: what a lost network looks like. */
  silence(): void;
  resume(): void;
  /**
   * Stops the first connection that says `text`: `before` the server hears of it, or `after`, so that the server does
   * it and the client never hears. Everything else passes.
   */
  stopAt(text: string, when: 'before' | 'after'): Stop;
  close(): Promise<void>;
}

export interface Stop {
  /** Resolves when a connection was stopped there. */
  readonly caught: Promise<void>;
  /** Lets it go on, or stops waiting for one. */
  release(): void;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

interface Trap {
  readonly text: string;
  readonly when: 'before' | 'after';
  catch(pair: Pair): void;
}

export async function openTcpProxy(targetPort: number): Promise<TcpProxy> {
  let target = targetPort;
  let silent = false;
  let trap: Trap | undefined;
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect({ port: target, host: '127.0.0.1' });
    const pair = { client, server };
    client.on('data', (bytes) => {
      const sprung = trap !== undefined && bytes.includes(trap.text) ? trap : undefined;
      if (sprung !== undefined) trap = undefined;
      sprung?.catch(pair);
      // Put back after the pause, it is the first thing that passes when the connection goes on.
      if (sprung?.when === 'before') client.unshift(bytes);
      else server.write(bytes);
    });
    client.on('end', () => server.end());
    server.pipe(client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    if (silent) hold([client, server]);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    port: (listener.address() as AddressInfo).port,
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
    stopAt(text, when) {
      const { promise: caught, resolve } = Promise.withResolvers<void>();
      let stopped: Socket | undefined;
      const mine: Trap = {
        text,
        when,
        catch({ client, server }) {
          stopped = when === 'before' ? client : server;
          stopped.pause();
          resolve();
        },
      };
      trap = mine;
      return {
        caught,
        release() {
          if (trap === mine) trap = undefined;
          stopped?.resume();
        },
      };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function hold(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.pause();
}

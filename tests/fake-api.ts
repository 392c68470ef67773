import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, vi } from 'vitest';

export interface Asked {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface FakeApi {
  readonly url: string;
  /** What was asked in this test, in order. */
  readonly asked: readonly Asked[];
  /** What was written to standard output in this test. */
  readonly output: string;
  clear(): void;
  /** As if it had been stopped. */
  close(): void;
}

/** An answer with which the API refuses what was asked. */
export class Refusal {
  readonly problem: object;

  constructor(problem: object) {
    this.problem = problem;
  }
}

/** An API that answers what `answers` says for a method and path, and 404 otherwise, for the tests of commands in this file. */
export function fakeApi(answers: Readonly<Record<string, unknown>>): FakeApi {
  const asked: Asked[] = [];
  const api = { url: '', asked, output: '', clear, close };
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    const line = `${request.method} ${request.url}`;
    asked.push({ line, authorization: request.headers.authorization, body });
    const answer = answers[line];
    if (answer === undefined) response.writeHead(404).end('{"detail":"there is nothing here","fix":"see /docs"}');
    else if (answer instanceof Refusal) response.writeHead(400).end(JSON.stringify(answer.problem));
    else response.end(JSON.stringify(answer));
  });
  function clear(): void {
    api.output = '';
  }
  function close(): void {
    server.closeAllConnections();
    server.close();
  }
  beforeEach(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    api.output = '';
    asked.length = 0;
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      api.output += String(text);
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    close();
  });
  return api;
}

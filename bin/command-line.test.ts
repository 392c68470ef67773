import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const entry = fileURLToPath(new URL('./syncline.ts', import.meta.url));
const testMsMax = 60_000;

interface Ended {
  readonly code: number;
  readonly output: string;
}

function syncline(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [entry, ...words], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

const wrong: [words: readonly string[], told: string][] = [
  [['nonsense'], "unknown command 'nonsense'"],
  [['--nonsense'], "unknown option '--nonsense'"],
  [['role'], "missing required argument 'name'"],
  [['role', 'nonsense'], 'Allowed choices are processor, sync-manager, api, demo'],
  [['role', 'api', 'more'], 'too many arguments'],
  [['start', 'more'], 'too many arguments'],
  [['start', '--port', 'x'], 'Expected a port from 0 to 65535'],
  [['start', '--port', '-1'], 'Expected a port from 0 to 65535'],
  [['start', '--roles', 'api,nonsense'], 'There is no role nonsense'],
  [['dlq', 'nonsense'], "unknown command 'nonsense'"],
  [['dlq', 'list', '--limit', 'abc'], 'Expected a number from 1 to 500'],
  [['dlq', 'list', '--limit', '1e2'], 'Expected a number from 1 to 500'],
  [['dlq', 'list', '--status', 'lost'], 'Expected waiting, parked'],
  [['dlq', 'replay'], 'name one dead letter, or say --all'],
  [['dlq', 'replay', '--all', '--limit', '10001'], 'Expected a number from 1 to 10000'],
  [['dlq', 'discard', 'x'], "'--reason <text>' not specified"],
  [['status', '--url', 'localhost:3000'], 'Expected an address such as http://'],
  [['status', '--key', 'two words'], 'without spaces'],
  [['accept-gap'], "missing required argument 'topic'"],
];

test.concurrent.each(wrong)(
  '%j ends with code 2 and says what is wrong',
  async (words, told) => {
    const { code, output } = await syncline(...words);
    expect(output).toContain(told);
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(2);
  },
  testMsMax,
);

test.concurrent.each([[['--help']], [['role', '--help']], [['dlq', 'list', '--help']], [['help', 'start']], [['--version']]])(
  '%j ends with code 0',
  async (words) => {
    expect(await syncline(...words)).toMatchObject({ code: 0, output: expect.stringMatching(/\S/) });
  },
  testMsMax,
);

test(
  'something else that answers at the address is not taken for Syncline',
  async () => {
    const server = createServer((_request, response) => void response.end('{"hello":"world"}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, output } = await syncline('status', '--url', url);
    server.close();
    expect(output).toContain(`what answers at ${url} is no Syncline of this version`);
    expect(output).toContain('fix:');
    expect(code).toBe(1);
  },
  testMsMax,
);

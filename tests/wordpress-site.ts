import { rmSync } from 'node:fs';
import { makeTestDirectory } from '../stack/test-stack.ts';
import { startWordpress } from '../stack/wordpress.ts';
import { openTestMysql, type TestMysql } from './mysql-database.ts';

/** A real WordPress of the test's own. */
export interface TestWordpress {
  readonly database: TestMysql;
  /** Without a slash at the end. */
  readonly url: string;
  /** Runs PHP inside WordPress and returns what it prints. */
  php(code: string): Promise<string>;
  /** The body of a page. */
  page(path: string): Promise<string>;
  rest<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

export async function openTestWordpress(): Promise<TestWordpress> {
  const database = await openTestMysql();
  const directory = makeTestDirectory();
  const { url, php, stop } = await startWordpress({ database: database.url, directory, onProgress: () => undefined });
  return {
    database,
    url,
    php,
    page: async (path) => (await fetch(`${url}${path}`)).text(),
    rest: async <T>(path: string) => (await (await fetch(`${url}/wp-json/wp/v2${path}`)).json()) as T,
    async close() {
      await stop();
      await database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

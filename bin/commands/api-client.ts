import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { reasonOf, SyncError } from '../../core/errors.ts';
import { parseExact } from '../../core/json.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { type RuntimeFile, readRuntimeFile } from '../runtime-file.ts';
import { headerText, webAddress } from './arguments.ts';

/** What every command that asks a running Syncline takes. */
export interface ClientOptions {
  readonly url?: string;
  readonly key?: string;
  readonly keyFile?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

export interface ApiClient {
  /** What `npm start` left in the data directory; null for an address given by hand. */
  readonly runtime: RuntimeFile | null;
  get<A>(path: string, schema: z.ZodType<A>): Promise<A>;
  post<A>(path: string, body: object | undefined, schema: z.ZodType<A>): Promise<A>;
}

const requestTimeoutMs = 30_000;
const problemSchema = z.object({
  detail: z.string(),
  fix: z.string().optional(),
  code: z.string().optional(),
  errors: z.array(z.looseObject({ field: z.string(), message: z.string() })).optional(),
});

export function withClientOptions(command: Command): Command {
  return command
    .option('-u, --url <url>', 'address of the API (default: the one `npm start` wrote to the data directory)', webAddress)
    .option('-k, --key <key>', 'API key (default: SYNCLINE_API_KEY, else the key file)', headerText)
    .option('--key-file <file>', 'file that holds the API key (default: the one `npm start` made)')
    .option('-d, --data-dir <folder>', 'where `npm start` keeps its data (default: dataDir of the configuration)')
    .option('--json', 'print JSON instead of a table');
}

export function openApiClient(options: ClientOptions): ApiClient {
  const runtime = options.url === undefined ? runningInstallation(dataFolderOf(options)) : null;
  const baseUrl = options.url ?? runtime!.api;
  const key = keyOf(options, runtime);
  return {
    runtime,
    get: (path, schema) => ask(baseUrl, key, 'GET', path, undefined, schema),
    post: (path, body, schema) => ask(baseUrl, key, 'POST', path, body, schema),
  };
}

/** A file whose process is gone was left by one that was killed. */
function runningInstallation(dataFolder: string): RuntimeFile {
  const runtime = readRuntimeFile(dataFolder);
  if (runtime === null) throw notRunning(`no Syncline runs with its data in ${dataFolder}`);
  if (!isRunning(runtime.pid)) throw notRunning(`the Syncline with its data in ${dataFolder} was stopped without saying so`);
  return runtime;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is a process too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function notRunning(message: string, cause?: unknown): SyncError {
  return new SyncError('client.not-running', message, { cause });
}

function dataFolderOf(options: ClientOptions): string {
  if (options.dataDir !== undefined) return resolve(options.dataDir);
  if (process.env.SYNCLINE_DATA_DIR !== undefined) return resolve(process.env.SYNCLINE_DATA_DIR);
  return resolve(loadConfig(configFiles(undefined, process.env).config, process.env).dataDir);
}

function keyOf(options: ClientOptions, runtime: RuntimeFile | null): string | undefined {
  const given = options.key ?? (options.keyFile === undefined ? process.env.SYNCLINE_API_KEY : undefined);
  const file = options.keyFile ?? runtime?.keyFile;
  if (given !== undefined || file === undefined) return given;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new SyncError('request.unauthenticated', `the key file ${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

async function ask<A>(
  baseUrl: string,
  key: string | undefined,
  method: string,
  path: string,
  body: object | undefined,
  schema: z.ZodType<A>,
): Promise<A> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(new URL(path, baseUrl), {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(text === undefined ? {} : { body: text }),
    signal: AbortSignal.timeout(requestTimeoutMs),
  }).catch((error: unknown) => {
    throw notRunning(`nothing answers at ${baseUrl}: ${causeOf(error)}`, error);
  });
  const answer: unknown = await response
    .text()
    .then((json) => parseExact(json))
    .catch(() => null);
  if (!response.ok) throw refusal(response.status, answer);
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw notRunning(`what answers at ${baseUrl} is no Syncline of this version`, result.error);
}

function refusal(status: number, answer: unknown): Error {
  const problem = problemSchema.safeParse(answer);
  if (!problem.success) return new Error(`the API answered with status ${status}`);
  const { detail, fix, code, errors = [] } = problem.data;
  // What is listed beside is what is at fault: said here, nothing is left to be looked up.
  const faults = errors.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  if (faults.length > 0) return new Error(faults.join('\n'), { cause: { code } });
  return new Error(fix === undefined ? detail : `${detail}\nfix: ${fix}`, { cause: { code } });
}

/** Whether the API refused what was asked: then the command was called wrongly. */
export function isInvalidRequest(error: unknown): error is Error {
  return error instanceof Error && (error.cause as { code?: unknown } | undefined)?.code === 'request.invalid';
}

/** fetch hides the reason of a failed connection in the cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? reasonOf(error) : reasonOf(cause) || String((cause as { code?: unknown }).code);
}

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectCommand, provideConnect } from '../../stack/connect.ts';
import { type Guardian, startGuardian } from '../../stack/guardian.ts';
import { claimPort, giveBackPort } from '../../stack/ports.ts';
import { endProcess } from '../../stack/process-end.ts';
import { waitUntilReady } from '../../stack/readiness.ts';
import { type ServiceProcess, startService } from '../../stack/service-process.ts';
import type { Rig } from '../rig.ts';

export type ConnectorSettings = Readonly<Record<string, string>>;

type ConnectorState = 'RUNNING' | 'STOPPED';

interface ConnectorStatus {
  readonly connector: { readonly state: string; readonly trace?: string };
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
}

/** Less than Kafka Connect's own default of 2 GB. */
const heapMb = 1_024;
const readyTimeoutMs = 180_000;
const requestTimeoutMs = 30_000;
const stateTimeoutMs = 120_000;
const pollMs = 100;

/** A Kafka Connect worker with Debezium's connectors, spoken to over its REST API. */
export class ConnectWorker {
  readonly #signal: AbortSignal;
  readonly #service: ServiceProcess;
  readonly #guardian: Guardian;
  readonly #port: number;

  private constructor(signal: AbortSignal, service: ServiceProcess, guardian: Guardian, port: number) {
    this.#signal = signal;
    this.#service = service;
    this.#guardian = guardian;
    this.#port = port;
  }

  /** Works for the Kafka of the rig. */
  static async open({ kafka, folder, signal, say }: Rig): Promise<ConnectWorker> {
    const brokers = kafka.brokers.join(',');
    const runtime = await provideConnect({ onProgress: say, signal });
    const port = await claimPort();
    const command = connectCommand(runtime, { brokers, port, directory: join(folder, 'connect'), heapMb });
    const guardian = startGuardian();
    const service = await startService('connect', command, guardian);
    const worker = new ConnectWorker(signal, service, guardian, port);
    try {
      // It answers at once; its group is ready a little later.
      const ping = async () => (await worker.#ask('GET', '/connectors')).ok;
      await waitUntilReady({ name: 'connect', service, logFile: command.logFile, ping, timeoutMs: readyTimeoutMs, signal });
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  get pid(): number {
    return this.#service.identity.pid;
  }

  /** Makes the connector, or starts it anew with other settings; resolves when it runs. */
  async put(name: string, settings: ConnectorSettings): Promise<void> {
    await this.#do('PUT', `/connectors/${name}/config`, settings);
    await this.#until(name, 'RUNNING');
  }

  /** Its tasks end and keep their place; the worker stays warm. */
  async stop(name: string): Promise<void> {
    await this.#do('PUT', `/connectors/${name}/stop`);
    await this.#until(name, 'STOPPED');
  }

  /** Returns at once: what it does from here on is watched by others. */
  async resume(name: string): Promise<void> {
    await this.#do('PUT', `/connectors/${name}/resume`);
  }

  /** Throws with what the connector says where one of its tasks has failed. */
  async check(name: string): Promise<void> {
    await this.#status(name);
  }

  async close(): Promise<void> {
    await endProcess(this.#service.identity, 'SIGTERM');
    giveBackPort(this.#port);
    await this.#guardian.dismiss();
  }

  async #until(name: string, state: ConnectorState): Promise<void> {
    for (let waitedMs = 0; waitedMs < stateTimeoutMs; waitedMs += pollMs) {
      const status = await this.#status(name);
      const tasks = status?.tasks ?? [];
      const isThere = status?.connector.state === state && tasks.every((task) => task.state === state);
      if (isThere && (state === 'STOPPED' ? tasks.length === 0 : tasks.length > 0)) return;
      await sleep(pollMs, undefined, { signal: this.#signal });
    }
    throw new Error(`the connector ${name} was not ${state} within ${stateTimeoutMs / 1_000} s`);
  }

  /** Undefined while the group settles. */
  async #status(name: string): Promise<ConnectorStatus | undefined> {
    const answer = await this.#ask('GET', `/connectors/${name}/status`);
    if (!answer.ok) return undefined;
    const status = (await answer.json()) as ConnectorStatus;
    const failed = [status.connector, ...status.tasks].find(({ state }) => state === 'FAILED');
    if (failed !== undefined) throw new Error(`the connector ${name} has failed: ${failed.trace ?? 'it does not say why'}`);
    return status;
  }

  async #do(method: string, path: string, body?: object): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      const answer = await this.#ask(method, path, body);
      if (answer.ok) return;
      const text = await answer.text();
      // 409 while the group settles.
      if (answer.status !== 409 || waitedMs > stateTimeoutMs) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      await sleep(pollMs, undefined, { signal: this.#signal });
    }
  }

  #ask(method: string, path: string, body?: object): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(requestTimeoutMs)]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

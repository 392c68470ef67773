/**
 * Keeps four systems equal: those the environment names, or four that are made for it, edited on every side, and removed at the end.
 * Everything `npm start` takes can be said behind it: `node examples/four-way/run.ts --port 3100`.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FourSystems, settings, startSystems } from './systems.ts';
import { fillSystems, tour, watch } from './tour.ts';

const here = import.meta.dirname;
const given = settings.every((name) => process.env[name] !== undefined);
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
const say = (text: string) => void process.stdout.write(text);

let systems: FourSystems | undefined;
try {
  if (!given) {
    systems = await startSystems((line) => say(`${line}\n`), stopping.signal);
    for (const name of settings) say(`${name}=${systems.environment[name]}\n`);
    await fillSystems(systems);
  }
  await keepEqual(systems);
} catch (error) {
  if (!stopping.signal.aborted) {
    process.exitCode = 1;
    say(`${error instanceof Error ? error.message : String(error)}\n`);
  }
} finally {
  await systems?.stop();
}

async function keepEqual(demo: FourSystems | undefined): Promise<void> {
  if (stopping.signal.aborted) return;
  // What is made for it goes with it; Syncline's own data as well.
  const named = process.argv.includes('--data-dir') ? process.argv[process.argv.indexOf('--data-dir') + 1] : undefined;
  const dataDir = named ?? (demo === undefined ? undefined : join(demo.directory, 'syncline'));
  const args = [join(here, '../../bin/syncline.ts'), 'start', ...(dataDir === undefined ? [] : ['--data-dir', dataDir])];
  const syncline = spawn(process.execPath, [...args, ...process.argv.slice(2)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SYNCLINE_CONFIG: process.env.SYNCLINE_CONFIG ?? join(here, 'config.yml'), ...demo?.environment },
  });
  stopping.signal.addEventListener('abort', () => syncline.kill('SIGINT'));
  const ended = new Promise<number | null>((resolve) => syncline.once('exit', resolve));
  const up = new Promise<void>((resolve) => {
    let said = '';
    syncline.stdout.on('data', (text: Buffer) => {
      say(text.toString());
      said += text.toString();
      if (said.includes('Syncline is up')) resolve();
    });
  });
  const showing = demo === undefined || dataDir === undefined ? undefined : up.then(() => present(demo, dataDir));
  try {
    const code = await Promise.race([ended, ...(showing === undefined ? [] : [showing])]);
    process.exitCode = code ?? 0;
  } finally {
    // A second signal would end it at once.
    if (!stopping.signal.aborted) syncline.kill('SIGINT');
    await ended;
  }
}

async function present(demo: FourSystems, dataDir: string): Promise<null> {
  const { api, keyFile } = JSON.parse(readFileSync(join(dataDir, 'runtime.json'), 'utf8')) as { api: string; keyFile: string };
  const authorization = `Bearer ${readFileSync(keyFile, 'utf8').trim()}`;
  const ask = async (path: string) => (await fetch(`${api}${path}`, { headers: { authorization } })).json() as Promise<unknown>;
  const place = { systems: demo, say, ask, signal: stopping.signal };
  await tour(place);
  say('\nThat was the tour. Edit any of the four (their addresses stand above) and look; Ctrl-C ends and removes everything.\n');
  await watch(place);
  return null;
}

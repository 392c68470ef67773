/**
 * Compares two Firebird databases: those of FIREBIRD_A and FIREBIRD_B, or two small ones that are made for it.
 * Everything `npm start` takes can be said behind it: `node examples/two-firebirds/run.ts --port 3100`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startDatabases } from './databases.ts';

const here = import.meta.dirname;
const { FIREBIRD_A, FIREBIRD_B } = process.env;
const given = FIREBIRD_A !== undefined && FIREBIRD_B !== undefined;
const place = process.argv.includes('--data-dir') ? process.argv[process.argv.indexOf('--data-dir') + 1]! : '.syncline';
const demo = given ? undefined : await startDatabases(place);
if (demo !== undefined) process.stdout.write(`FIREBIRD_A=${demo.a}\nFIREBIRD_B=${demo.b}\n`);

const syncline = spawn(process.execPath, [join(here, '../../bin/syncline.ts'), 'start', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    SYNCLINE_CONFIG: process.env.SYNCLINE_CONFIG ?? join(here, 'config.yml'),
    FIREBIRD_A: FIREBIRD_A ?? demo?.a,
    FIREBIRD_B: FIREBIRD_B ?? demo?.b,
  },
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => syncline.kill(signal));
syncline.once('exit', async (code) => {
  await demo?.stack.stop();
  process.exitCode = code ?? 1;
});

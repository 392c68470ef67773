import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../adapters/process/clock.ts';
import { watchSignals } from '../adapters/process/signals.ts';
import { calibrate } from './calibration.ts';
import { capture } from './capture.ts';
import { snapshot } from './capture-snapshot.ts';
import { engine } from './engine.ts';
import { firebirdScenario } from './firebird.ts';
import { ingest } from './ingest.ts';
import { latency, memoryIdle } from './latency.ts';
import { summariseProfiles } from './profile-summary.ts';
import { replication } from './replication.ts';
import { jsonLine, tableHead, tableRow } from './report.ts';
import type { Profiles } from './rig.ts';
import { isMissed, type Scenario } from './scenario.ts';
import { threeSystems } from './three-systems.ts';
import { allChange, engineShare, memory, millionEntities, unchanged } from './throughput.ts';

const scenarios: readonly Scenario[] = [
  allChange,
  unchanged,
  latency,
  memoryIdle,
  ingest,
  memory,
  millionEntities,
  threeSystems,
  engine,
  engineShare,
  capture,
  snapshot,
  replication,
  firebirdScenario,
];

const usage = `npm run bench -- [NAME…] [options]

Measures the whole pipeline on this machine, each scenario on an installation of its own. bench/METHODOLOGY.md says what
is counted where. Without names every scenario runs.

  --list       the scenarios
  --quick      small sizes: whether it runs, not how fast
  --json       one JSON object a line
  --profile    keep CPU profiles of the roles, and sum them up on standard error
  --help       this text`;

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  if (options.help) return say(usage);
  if (options.list) return say(scenarios.map(({ name, promise }) => `${name.padEnd(18)}${promise}`).join('\n'));
  const unknown = names.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`bench: there is no scenario ${unknown.join(', ')}; --list shows them\n`);
    return 2;
  }
  const signals = watchSignals(systemClock);
  if (!options.json) say(tableHead());
  let failed = false;
  for (const scenario of scenarios) {
    if (signals.signal.aborted) break;
    if (names.length > 0 && !names.includes(scenario.name)) continue;
    failed = !(await runOne(scenario, signals.signal)) || failed;
  }
  signals.close();
  return failed || signals.signal.aborted ? 1 : 0;
}

/** True when it ran and nothing was missed; small sizes miss nothing, because they prove no rate. */
async function runOne(scenario: Scenario, signal: AbortSignal): Promise<boolean> {
  const tell = (line: string) => process.stderr.write(`${scenario.name}: ${line}\n`);
  const calibration = calibrate();
  const profiles = options.profile ? openProfiles() : null;
  try {
    const results = await scenario.run({ quick: options.quick, rig: { signal, say: tell, profiles } });
    for (const result of results) say(options.json ? jsonLine(result, calibration) : tableRow(result, calibration));
    if (profiles !== null) tell(`profiles in ${profiles.folder}\n${summariseProfiles(profiles.folder, profiles.roleOfPid)}`);
    return options.quick || !results.some(isMissed);
  } catch (error) {
    tell(signal.aborted ? 'stopped' : `failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return false;
  }
}

function openProfiles(): Profiles {
  return { folder: mkdtempSync(join(tmpdir(), 'syncline-profiles-')), roleOfPid: new Map() };
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`);
  return 0;
}

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { projectFolder } from '../bin/config-files.ts';

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

const functionsShown = 30;
const profileName = /^role\.(\d+)\.cpuprofile$/;

/** Where each process spent its time, by function, its own time only. */
export function summariseProfiles(folder: string, roleOfPid: ReadonlyMap<number, string>): string {
  const sections = readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const pid = Number(profileName.exec(file)?.[1] ?? Number.NaN);
      const role = roleOfPid.get(pid);
      if (role === undefined) return [];
      const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
      return [`${role} (process ${pid})\n${selfTimes(profile)}`];
    });
  return sections.join('\n\n');
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): string {
  const placeOf = new Map(nodes.map((node) => [node.id, placeName(node.callFrame)]));
  const spent = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const place = placeOf.get(id) ?? '?';
    const seconds = (timeDeltas[index] ?? 0) / 1e6;
    if (place === '(idle)' || place === '(root)') continue;
    busy += seconds;
    spent.set(place, (spent.get(place) ?? 0) + seconds);
  }
  const top = [...spent].sort(([, left], [, right]) => right - left).slice(0, functionsShown);
  const lines = top.map(([place, seconds]) => {
    const share = (100 * seconds) / busy;
    return `${share.toFixed(1).padStart(6)} %  ${seconds.toFixed(2).padStart(7)} s  ${place}`;
  });
  return [`  busy ${busy.toFixed(1)} s`, ...lines].join('\n');
}

function placeName({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? 'anonymous' : functionName;
  if (url === '') return name;
  const file = url.startsWith('file://') ? relative(projectFolder, new URL(url).pathname) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}

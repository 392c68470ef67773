import type { RigOptions } from './rig.ts';

/** What came of one scenario; several where one run answers several questions. */
export interface Result {
  readonly scenario: string;
  readonly value: number;
  readonly unit: string;
  /** The number to reach, and whether it is a floor or a ceiling; null for what is only told. */
  readonly wanted: { readonly atLeast: number } | { readonly below: number } | null;
  /** What the same machine did in the same run without us, and our share of it. */
  readonly baseline: number | null;
  readonly ratio: number | null;
  readonly rssMB: number | null;
  /** Further figures for the reader. */
  readonly notes: Readonly<Record<string, number | string>>;
}

export interface ScenarioContext {
  readonly quick: boolean;
  readonly rig: RigOptions;
}

export interface Scenario {
  readonly name: string;
  readonly promise: string;
  run(context: ScenarioContext): Promise<Result[]>;
}

export function isMissed({ value, wanted }: Result): boolean {
  if (wanted === null) return false;
  return 'atLeast' in wanted ? value < wanted.atLeast : value >= wanted.below;
}

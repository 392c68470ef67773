import type { EntityConfig, SynclineConfig } from '/work/main/core/config/config.ts';
import type { MappingRules } from '/work/main/core/mapping/rules.ts';
import type { ComparisonRules } from '/work/main/core/comparison/comparison.ts';
import type { IdentityRules } from '/work/main/core/identity/identity.ts';
declare const e: EntityConfig; declare const c: SynclineConfig;
const m: MappingRules|undefined = e.mapping; const cc: ComparisonRules|undefined = e.compare; const i: IdentityRules|undefined = e.identity;
const b: 'embedded'|readonly string[] = c.kafka.brokers;
// @ts-expect-error
c.api.port = 3;

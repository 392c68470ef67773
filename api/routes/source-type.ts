import type { SynclineConfig } from '../../core/config/config.ts';
import { sourceTypeOf } from '../../core/config/names.ts';

/** A source's name, or what stands in `source_type` for it: both find it. */
export type SourceTypeOf = (source: string | undefined) => string | undefined;

export function sourceTypes(sources: SynclineConfig['sources']): SourceTypeOf {
  return (source) => {
    if (source === undefined) return undefined;
    return Object.hasOwn(sources, source) ? sources[source]!.type : sourceTypeOf(source);
  };
}

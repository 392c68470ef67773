import { SyncError } from '../../core/errors.ts';
import type { MetaForm } from './meta-value.ts';

export interface MetaField {
  readonly field: string;
  readonly key: string;
  readonly as: MetaForm;
}

export interface TermField {
  readonly field: string;
  readonly taxonomy: string;
}

/** By what a post is found again. */
export type PostKey = { readonly kind: 'id' } | { readonly kind: 'slug' } | { readonly kind: 'meta'; readonly meta: MetaField };

/** One kind of entity as posts. */
export interface PostPlan {
  readonly kind: string;
  readonly postType: string;
  /** Those of `wp_posts` in which a post is a record; null: all but the trash and what the editor keeps for itself. */
  readonly statuses: readonly string[] | null;
  readonly key: PostKey;
  readonly keyField: string;
  readonly meta: readonly MetaField[];
  readonly terms: readonly TermField[];
  readonly featuredImage: string | undefined;
}

interface RecordOptions {
  readonly postType?: string | undefined;
  readonly meta: Readonly<Record<string, { readonly key: string; readonly as: MetaForm }>>;
  readonly terms: Readonly<Record<string, string>>;
  readonly featuredImage?: string | undefined;
}

export function postPlanOf(
  kind: string,
  keyFields: readonly string[],
  options: RecordOptions,
  statuses: readonly string[] | null,
): PostPlan {
  const meta = Object.entries(options.meta).map(([field, { key, as }]) => ({ field, key, as }));
  const [keyField = 'ID', ...others] = keyFields;
  return {
    kind,
    postType: options.postType ?? kind,
    statuses,
    key: others.length > 0 ? unfit(kind, keyFields) : keyOf(kind, keyField, meta),
    keyField,
    meta,
    terms: Object.entries(options.terms).map(([field, taxonomy]) => ({ field, taxonomy })),
    featuredImage: options.featuredImage,
  };
}

function keyOf(kind: string, field: string, metas: readonly MetaField[]): PostKey {
  if (field === 'ID') return { kind: 'id' };
  if (field === 'post_name') return { kind: 'slug' };
  const meta = metas.find((known) => known.field === field);
  return meta === undefined || meta.as === 'json' || meta.as === 'php' ? unfit(kind, [field]) : { kind: 'meta', meta };
}

function unfit(kind: string, key: readonly string[]): never {
  throw new SyncError(
    'config.invalid',
    `${kind}: the key of posts is ID, post_name, or one plain field under \`meta\`, not ${key.join(', ')}`,
  );
}

import { z } from 'zod';
import { durationMs } from '../../core/config/units.ts';
import { placeOptions } from '../mysql/mysql-place.ts';
import { polledTableOptions } from '../tables/table-options.ts';

const name = z.string().min(1).max(255);
const fieldName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'a field is letters, digits and _');

/** What a source and a target need to know of a site. */
export const siteOptions = z.strictObject({
  ...placeOptions.shape,
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_]{0,40}$/, 'a table prefix is letters, digits and _')
    .default('wp_')
    .describe('What the names of its tables begin with: `$table_prefix` in wp-config.php.'),
  siteUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('The address of the site, where wp-config.php sets it (`WP_HOME`) and not the database.'),
});

/** Of a target, all of which have a time limit. */
export const targetSiteOptions = siteOptions.omit({ timeout: true });

export type SiteOptions = z.output<typeof siteOptions>;

const metaSchema = z
  .union([name, z.strictObject({ key: name, as: z.enum(['text', 'number', 'boolean', 'json', 'php']).default('text') })])
  .transform((meta) => (typeof meta === 'string' ? { key: meta, as: 'text' as const } : meta));

/** What a record is made of, for reading and for writing. */
const recordShape = {
  postType: z
    .string()
    .min(1)
    .max(20)
    .optional()
    .describe('The post type: `post`, `page`, `product`; without it the name of the kind.'),
  meta: z
    .record(fieldName, metaSchema)
    .default({})
    .describe(
      'Fields that are kept in `wp_postmeta`: `price: _price`, or `price: {key: _price, as: number}`. `php` are the lists and maps that plugins store serialized.',
    ),
  terms: z
    .record(fieldName, name)
    .default({})
    .describe('Fields that are lists of terms, with their taxonomy: `categories: category`.'),
  featuredImage: fieldName.optional().describe('The field that is the address of the featured image.'),
};

export const postSourceOptions = z.strictObject({
  ...recordShape,
  statuses: z
    .array(name)
    .min(1)
    .default(['publish', 'future', 'draft', 'pending', 'private'])
    .describe('The states in which a post is a record. In any other, `trash` for one, it counts as deleted.'),
  mode: z
    .enum(['timestamp', 'compare'])
    .default('timestamp')
    .describe(
      '`timestamp` asks for posts whose `post_modified_gmt` has risen, and every `compareEvery` holds all of them against what they were; `compare` does only the latter.',
    ),
  every: polledTableOptions.shape.every,
  cron: polledTableOptions.shape.cron,
  timeZone: polledTableOptions.shape.timeZone,
  compareEvery: durationMs({ min: 100, max: 31 * 86_400_000 })
    .prefault('1m')
    .describe('For `timestamp`: how often meta fields, terms and deletions are found, which do not touch `post_modified_gmt`.'),
  overlap: polledTableOptions.shape.overlap,
  onSchemaChange: polledTableOptions.shape.onSchemaChange,
});

export type PostSourceOptions = z.output<typeof postSourceOptions>;

export const postTargetOptions = z.strictObject({
  ...recordShape,
  status: z
    .string()
    .min(1)
    .max(20)
    .default('publish')
    .describe('The state of a new post, where the record does not say `post_status`.'),
  author: z.int().min(0).default(1).describe('The user a new post belongs to, where the record does not say `post_author`.'),
  onDelete: z.enum(['trash', 'delete']).default('trash').describe('What a deletion does: into the trash, or away for good.'),
});

export function postSourceProblem({
  cron,
  every,
}: PostSourceOptions): { readonly path: string; readonly message: string } | undefined {
  return cron !== undefined && every !== undefined
    ? { path: 'every', message: '`every` and `cron` contradict each other' }
    : undefined;
}

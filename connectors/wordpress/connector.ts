import { declareConnector } from '../declaration.ts';
import { placeFrom } from '../mysql/mysql-place.ts';
import {
  postSourceOptions,
  postSourceProblem,
  postTargetOptions,
  type SiteOptions,
  siteOptions,
  targetSiteOptions,
} from './post-options.ts';
import type { PostsPlace } from './posts-reader.ts';

const connectionsMax = 4;

export const wordpressConnector = declareConnector({
  name: 'wordpress',
  description: 'Reads and writes posts of a WordPress site, with their meta, terms and featured image, through its database.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: true },
  source: {
    options: siteOptions,
    entity: postSourceOptions,
    problemOf: postSourceProblem,
    async create({ source, options, entities, polling, clock }) {
      const { createWordpressSource } = await import('./wordpress-source.ts');
      return createWordpressSource({ place: await placeOf(options, `syncline-source-${source}`), entities, polling, clock });
    },
  },
  target: {
    options: targetSiteOptions,
    entity: postTargetOptions,
    async create({ target, options, entities, timeoutMs }) {
      const { WordpressTarget } = await import('./wordpress-target.ts');
      const { postPlanOf } = await import('./post-plan.ts');
      const posts = entities.map(({ kind, key, options: { status, author, onDelete, ...record } }) => ({
        plan: postPlanOf(kind, key, record, null),
        rules: { status, author },
        onDelete,
      }));
      return new WordpressTarget(await placeOf({ ...options, timeout: timeoutMs }, `syncline-target-${target}`), posts);
    },
  },
});

async function placeOf({ prefix, siteUrl, ...options }: SiteOptions, applicationName: string): Promise<PostsPlace> {
  const { MysqlPool } = await import('../mysql/mysql-pool.ts');
  return { pool: new MysqlPool(placeFrom(options, applicationName), connectionsMax), prefix, siteUrl };
}

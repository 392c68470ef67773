import { offsetOfWallClock, timeZone } from '../../core/mapping/time-zone.ts';
import type { MysqlSession } from '../mysql/mysql-session.ts';
import { quoted } from '../mysql/sql-literal.ts';

/** The quoted names of a site's tables. */
export interface SiteTables {
  readonly posts: string;
  readonly postmeta: string;
  readonly terms: string;
  readonly taxonomy: string;
  readonly relationships: string;
  readonly options: string;
  readonly comments: string;
  readonly commentmeta: string;
}

export function siteTables(database: string, prefix: string): SiteTables {
  const named = (name: string) => `${quoted(database)}.${quoted(prefix + name)}`;
  return {
    posts: named('posts'),
    postmeta: named('postmeta'),
    terms: named('terms'),
    taxonomy: named('term_taxonomy'),
    relationships: named('term_relationships'),
    options: named('options'),
    comments: named('comments'),
    commentmeta: named('commentmeta'),
  };
}

/** What a site says of itself. */
export interface SiteFacts {
  /** Without a slash at the end. */
  readonly home: string;
  readonly uploads: string;
  readonly defaultCategory: number;
  readonly commentStatus: string;
  readonly pingStatus: string;
  /** Between UTC and what the site's clock shows, both as `2026-03-01 12:00:00`. */
  toLocal(utc: string): string;
  toUtc(local: string): string;
}

const names = [
  'home',
  'siteurl',
  'timezone_string',
  'gmt_offset',
  'upload_url_path',
  'default_category',
  'default_comment_status',
  'default_ping_status',
];

export async function readSite(session: MysqlSession, tables: SiteTables, siteUrl: string | undefined): Promise<SiteFacts> {
  const rows = await session.rows(
    `SELECT option_name, option_value FROM ${tables.options} WHERE option_name IN (${names.map((name) => `'${name}'`).join(', ')})`,
  );
  const options = new Map(rows.map(([name, value]) => [String(name), String(value ?? '')]));
  const address = (name: string) => (siteUrl ?? options.get(name) ?? '').replace(/\/+$/, '');
  const offsetHours = Number(options.get('gmt_offset') ?? 0) || 0;
  const zone = zoneFrom(options.get('timezone_string') ?? '', offsetHours * 3_600);
  return {
    home: address('home'),
    uploads: options.get('upload_url_path')?.replace(/\/+$/, '') || `${address('siteurl')}/wp-content/uploads`,
    defaultCategory: Number(options.get('default_category') ?? 1) || 1,
    commentStatus: options.get('default_comment_status') || 'open',
    pingStatus: options.get('default_ping_status') || 'open',
    toLocal: (utc) => shifted(utc, zone.offsetAt(secondsOf(utc))),
    toUtc: (local) => shifted(local, -zone.offsetOfLocal(secondsOf(local))),
  };
}

interface SiteZone {
  offsetAt(seconds: number): number;
  offsetOfLocal(seconds: number): number;
}

/** A site has a named zone, or only a number of hours. */
function zoneFrom(name: string, fixedSeconds: number): SiteZone {
  if (name === '' || /^UTC$/i.test(name)) {
    const offset = name === '' ? fixedSeconds : 0;
    return { offsetAt: () => offset, offsetOfLocal: () => offset };
  }
  const zone = timeZone(name);
  return {
    offsetAt: (seconds) => zone.offsetAt(seconds),
    offsetOfLocal: (seconds) => offsetOfWallClock(zone, seconds, 'earlier'),
  };
}

function secondsOf(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`) / 1_000;
}

function shifted(text: string, seconds: number): string {
  return new Date((secondsOf(text) + seconds) * 1_000).toISOString().slice(0, 19).replace('T', ' ');
}

import { declarePreset } from './preset.ts';

export const supabaseConnector = declarePreset({
  name: 'supabase',
  description: 'A Supabase database: tables as a source and as a target, through its pooler.',
  urlHint: 'The pooler in transaction mode, `…pooler.supabase.com:6543`.',
  directUrlOf: () => undefined,
});

export const neonConnector = declarePreset({
  name: 'neon',
  description: 'A Neon database: tables as a source and as a target, through its pooler.',
  urlHint: 'The pooled address, whose host has `-pooler` in its name.',
  directUrlOf: (pooled) => {
    const url = new URL(pooled);
    url.hostname = url.hostname.replace('-pooler.', '.');
    return url.href;
  },
});

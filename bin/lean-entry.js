// Plain JavaScript: Node begins without the parser that strips types, 18 MB of it, and finds all else in its compile cache.
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./main.ts');

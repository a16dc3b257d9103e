import { join } from 'node:path';
import { ROOT } from '../../tools/source.ts';

/** The C program. The sanitizer build can take its place. */
export const NATIVE = process.env['CORACLE_NATIVE'] ?? join(ROOT, 'build/coracle-native');

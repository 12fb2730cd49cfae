// What is needed of files in /proc, by promises. Not of node:fs/promises, which takes each worker's start two milliseconds to load.
import {open, read} from 'node:fs';
import {promisify} from 'node:util';

export const openFile = promisify(open);
export const readFile = promisify(read);

// What the scripts in TypeScript see of the frame.

export const BASE_URL: string;
export const ADMIN_KEY: string;
export function check(sentence: string, body: () => Promise<void>): void;
export function twice<T>(body: () => Promise<T>, upstream?: number): Promise<T>;
export function main(): Promise<void>;

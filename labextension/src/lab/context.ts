/** Hands the doors to the views drawn by Preact. */

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

import type { Doors } from './doors';

const Context = createContext<Doors | null>(null);
export const DoorsContext = Context.Provider;

export function useDoors(): Doors {
  const doors = useContext(Context);
  if (doors === null) throw new Error('a view stands outside of its doors');
  return doors;
}

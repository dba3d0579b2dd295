// Compiles for a key that sees OwnerName, and for no other.
import { qProperty } from "./generated/QSandbox";
import { Property } from "./generated/SandboxModel";

export const condition = qProperty.OwnerName.eq("x");
export const name: keyof Property = "OwnerName";

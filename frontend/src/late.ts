/** What is not needed for the first view: built as a file of its own, loaded when it is first shown. */
export { ChannelDrawer } from "./channel/ChannelDrawer";
export { WeightChange } from "./weights/WeightChange";

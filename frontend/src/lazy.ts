/** What is not needed for the first view: built as a file of its own, loaded when it is first shown. */
export { ChannelDrawer } from "./views/channel/ChannelDrawer";
export { ComparisonPanel } from "./views/comparison/ComparisonPanel";
export { WeightChange } from "./views/weights/WeightChange";

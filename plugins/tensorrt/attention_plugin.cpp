// dynast::InterScaleAttention and dynast::InnerScaleAttention for TensorRT 10.9 and later as a plugin library.
//
// The same operators as the plugins that plugins/tensorrt_plugin.py compiles into a plan, with the same names,
// namespace, version and kernels. README.md lists inputs, outputs and attributes.
#include <NvInfer.h>

#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "cuda/launch.h"
#include "dynast/check.h"
#include "dynast/export.h"

namespace dynast {
namespace {

using namespace nvinfer1;

constexpr const char* kNamespace = "dynast";
constexpr const char* kVersion = "1";
constexpr int32_t kInputs = 6, kMatches = 5, kOutputs = 3, kNextMatches = kInputs + 2;
constexpr int32_t kTeams[] = {8, 16, 32};  // the tactics: threads that share a query

ILoggerFinder* logger_finder = nullptr;

// Logs what is wrong and returns failure.
int32_t refuse(const char* name, const char* what) {
  ILogger* const logger = logger_finder ? logger_finder->findLogger() : nullptr;
  if (logger) logger->log(ILogger::Severity::kERROR, (std::string(name) + ": " + what).c_str());
  return 1;
}

struct Attributes {
  int32_t query_width = 0, key_width = 0, top_k = 0;
  float temperature = 0.0f;
};

const char* operator_name(bool inner) { return inner ? "InnerScaleAttention" : "InterScaleAttention"; }

bool is_storage(DataType type) {
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

StorageType storage_of(DataType type) {
  return type == DataType::kHALF ? kHalf : type == DataType::kBF16 ? kBfloat : kFloat;
}

class AttentionPlugin final : public IPluginV3,
                              public IPluginV3OneCore,
                              public IPluginV3OneBuild,
                              public IPluginV3OneRuntime {
 public:
  AttentionPlugin(bool inner, const Attributes& attributes) : inner_(inner), attributes_(attributes) {
    char id[96];
    std::snprintf(id, sizeof id, "%d_%d_%d_%d_%a", inner, attributes.query_width, attributes.key_width,
                  attributes.top_k, attributes.temperature);
    timing_cache_id_ = id;
  }
  AttentionPlugin(const AttentionPlugin& other) : AttentionPlugin(other.inner_, other.attributes_) {
    tactic_ = other.tactic_;
  }

  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    switch (type) {
      case PluginCapabilityType::kCORE:
        return static_cast<IPluginV3OneCore*>(this);
      case PluginCapabilityType::kBUILD:
        return static_cast<IPluginV3OneBuild*>(this);
      case PluginCapabilityType::kRUNTIME:
        return static_cast<IPluginV3OneRuntime*>(this);
      default:
        return nullptr;
    }
  }
  IPluginV3* clone() noexcept override { return new (std::nothrow) AttentionPlugin(*this); }

  AsciiChar const* getPluginName() const noexcept override { return operator_name(inner_); }
  AsciiChar const* getPluginVersion() const noexcept override { return kVersion; }
  AsciiChar const* getPluginNamespace() const noexcept override { return kNamespace; }

  int32_t getNbOutputs() const noexcept override { return kOutputs; }
  int32_t getOutputDataTypes(DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept override {
    outputs[0] = outputs[1] = inputs[0];
    outputs[2] = DataType::kINT32;
    return 0;
  }
  int32_t getOutputShapes(DimsExprs const* inputs, int32_t count, DimsExprs const*, int32_t, DimsExprs* outputs,
                          int32_t, IExprBuilder& builder) noexcept override {
    if (count != kInputs) return refuse(getPluginName(), "there have to be six inputs");
    for (int32_t i = 0; i < kInputs; ++i)
      if (inputs[i].nbDims != 3) return refuse(getPluginName(), "every input has to have three dimensions");
    for (int32_t i = 0; i < kOutputs; ++i) {
      outputs[i].nbDims = 3;
      outputs[i].d[0] = inputs[0].d[0];
      outputs[i].d[1] = inputs[0].d[1];
    }
    outputs[0].d[2] = inputs[4].d[2];
    outputs[1].d[2] = builder.constant(1);
    outputs[2].d[2] = builder.constant(attributes_.top_k);
    return 0;
  }
  bool supportsFormatCombination(int32_t place, DynamicPluginTensorDesc const* tensors, int32_t,
                                 int32_t) noexcept override {
    const PluginTensorDesc& tensor = tensors[place].desc;
    if (tensor.format != TensorFormat::kLINEAR) return false;
    if (place == kMatches || place == kNextMatches) return tensor.type == DataType::kINT32;
    return place == 0 ? is_storage(tensor.type) : tensor.type == tensors[0].desc.type;
  }
  int32_t configurePlugin(DynamicPluginTensorDesc const* inputs, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    const int64_t matches = inputs[kMatches].max.d[2];
    tactics_ = 0;
    for (const int32_t team : kTeams)
      if (matches < 1 ? team == 32 : 3 * team >= matches * (inner_ ? 5 : 4)) ++tactics_;
    return 0;
  }
  int32_t getNbTactics() noexcept override { return tactics_; }
  int32_t getValidTactics(int32_t* tactics, int32_t count) noexcept override {
    for (int32_t i = 0; i < count; ++i)
      tactics[i] = kTeams[3 - count + i];  // only the largest teams can keep all candidates
    return 0;
  }
  char const* getTimingCacheID() noexcept override { return timing_cache_id_.c_str(); }

  int32_t setTactic(int32_t tactic) noexcept override {
    tactic_ = tactic;
    return 0;
  }
  int32_t onShapeChange(PluginTensorDesc const* inputs, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    DynastProblem problem;
    return read_sizes(inputs, problem);
  }
  int32_t enqueue(PluginTensorDesc const* descriptions, PluginTensorDesc const*, void const* const* in,
                  void* const* out, void*, cudaStream_t stream) noexcept override {
    DynastProblem problem;
    if (read_sizes(descriptions, problem)) return 1;
    const DynastForward call = {in[0],   in[1],
                                in[2],   in[3],
                                in[4],   static_cast<const int32_t*>(in[kMatches]),
                                nullptr, out[0],
                                out[1],  static_cast<int32_t*>(out[2]),
                                nullptr};
    const char* wrong = gpu_forward(problem, call, storage_of(descriptions[0].type), tactic_, stream);
    return wrong ? refuse(getPluginName(), wrong) : 0;
  }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override {
    fields_[0] = {"query_width", &attributes_.query_width, PluginFieldType::kINT32, 1};
    fields_[1] = {"key_width", &attributes_.key_width, PluginFieldType::kINT32, 1};
    fields_[2] = {"top_k", &attributes_.top_k, PluginFieldType::kINT32, 1};
    fields_[3] = {"temperature", &attributes_.temperature, PluginFieldType::kFLOAT32, 1};
    collection_ = {4, fields_};
    return &collection_;
  }

 private:
  // Fills in the problem. Fails, and logs why, if the shapes do not match.
  int32_t read_sizes(PluginTensorDesc const* inputs, DynastProblem& p) const noexcept {
    const auto size = [inputs](int32_t i, int32_t dimension) {
      return static_cast<int32_t>(inputs[i].dims.d[dimension]);
    };
    const char* name = operator_name(inner_);
    const int32_t query_width = attributes_.query_width, key_width = attributes_.key_width;
    if (query_width < 1 || size(0, 1) % query_width) return refuse(name, "query_width does not divide the queries");
    if (key_width < 1 || size(2, 1) % key_width) return refuse(name, "key_width does not divide the keys");
    p = {inner_,
         size(0, 0),
         size(2, 0),
         size(0, 1) / query_width,
         query_width,
         size(2, 1) / key_width,
         key_width,
         size(0, 2),
         size(1, 2),
         size(4, 2),
         0,
         size(kMatches, 2),
         attributes_.top_k,
         0,
         attributes_.temperature};
    const int32_t expected[kInputs][3] = {
        {p.frames, size(0, 1), p.channels},          {p.frames, size(0, 1), p.prune_channels},
        {p.exemplars, size(2, 1), p.channels},       {p.exemplars, size(2, 1), p.prune_channels},
        {p.exemplars, size(2, 1), p.value_channels}, {p.frames, size(0, 1) / (inner_ ? 1 : 4), p.matches_k}};
    for (int32_t i = 0; i < kInputs; ++i)
      for (int32_t d = 0; d < 3; ++d)
        if (size(i, d) != expected[i][d]) return refuse(name, "the inputs' shapes do not match");
    char message[512];
    check_problem(p, message, sizeof message);
    return message[0] ? refuse(name, message) : 0;
  }

  const bool inner_;
  Attributes attributes_;
  int32_t tactics_ = 0, tactic_ = 0;
  std::string timing_cache_id_;
  PluginField fields_[4];
  PluginFieldCollection collection_{};
};

class AttentionCreator final : public IPluginCreatorV3One {
 public:
  explicit AttentionCreator(bool inner) : inner_(inner) {
    fields_[0] = {"query_width", nullptr, PluginFieldType::kINT32, 1};
    fields_[1] = {"key_width", nullptr, PluginFieldType::kINT32, 1};
    fields_[2] = {"top_k", nullptr, PluginFieldType::kINT32, 1};
    fields_[3] = {"temperature", nullptr, PluginFieldType::kFLOAT32, 1};
    collection_ = {4, fields_};
  }

  AsciiChar const* getPluginName() const noexcept override { return operator_name(inner_); }
  AsciiChar const* getPluginVersion() const noexcept override { return kVersion; }
  AsciiChar const* getPluginNamespace() const noexcept override { return kNamespace; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &collection_; }
  IPluginV3* createPlugin(AsciiChar const*, PluginFieldCollection const* given, TensorRTPhase) noexcept override {
    Attributes attributes;
    for (int32_t i = 0; i < given->nbFields; ++i) {
      const PluginField& field = given->fields[i];
      const auto integer = [&field] {
        return field.type == PluginFieldType::kINT64 ? static_cast<int32_t>(*static_cast<const int64_t*>(field.data))
                                                     : *static_cast<const int32_t*>(field.data);
      };
      if (!field.data || field.length < 1) continue;
      if (!std::strcmp(field.name, "query_width")) attributes.query_width = integer();
      if (!std::strcmp(field.name, "key_width")) attributes.key_width = integer();
      if (!std::strcmp(field.name, "top_k")) attributes.top_k = integer();
      if (!std::strcmp(field.name, "temperature")) attributes.temperature = *static_cast<const float*>(field.data);
    }
    if (attributes.query_width < 1 || attributes.key_width < 1 || attributes.top_k < 1 ||
        !(attributes.temperature > 0.0f)) {
      refuse(operator_name(inner_), "query_width, key_width, top_k and temperature have to be given, and positive");
      return nullptr;
    }
    return new (std::nothrow) AttentionPlugin(inner_, attributes);
  }

 private:
  const bool inner_;
  PluginField fields_[4];
  PluginFieldCollection collection_{};
};

}  // namespace
}  // namespace dynast

DYNAST_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { dynast::logger_finder = finder; }

DYNAST_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static dynast::AttentionCreator inter(false), inner(true);
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&inter, &inner};
  count = 2;
  return creators;
}

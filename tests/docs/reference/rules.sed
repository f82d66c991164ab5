# What the head of jwekms.h says once of members by their names, for the reference to say at each.
s|^( +uint32_t struct_size;)$|\1  ///< sizeof the struct, as whoever fills it in knows it.|
s|^( +size_t (\w+)_len;)$|\1  ///< Bytes of `\2`.|
s|^( +const size_t\* alias_lens;)$|\1  ///< Bytes of each of `aliases`.|
s|^( +const size_t\* (\w+)_lens;)$|\1  ///< Bytes of each of `\2s`.|
s|^( +size_t alias_count;)$|\1  ///< How many `aliases` there are.|
s|^( +size_t (\w+)_count;)$|\1  ///< How many `\2s` there are.|
